/// One command as it was sent: wire values and places in the line, nothing resolved.
package enum Command: Equatable, Sendable {
    case retrieve(Retrieval)
    case store(StoreHeader)
    case delete(key: ByteRange, isQuiet: Bool)
    case touch(key: ByteRange, exptime: Int32, isQuiet: Bool)
    case arithmetic(key: ByteRange, delta: UInt64, increments: Bool, isQuiet: Bool)
    case flushAll(delay: ByteRange?, isQuiet: Bool)
    case version
    case verbosity(level: UInt32, isQuiet: Bool)
    case cacheMemlimit(megabytes: UInt32, isQuiet: Bool)
    case shutdown(ShutdownMode, isQuiet: Bool)
    /// `mn`, the meta no-op.
    case noop
    /// A meta command with a key; `MetaRequest` reads the line.
    case meta(MetaVerb)
    case debugtime(DebugtimeChange)
    case stats(StatsPage)
    case operate(OperatorCommand, isQuiet: Bool)
    case quit
    /// Not a command; the reply and how to go on.
    case failure(Failure)

    /// Nothing is to be answered, not even errors. Meta commands have a flag of their own for it.
    package var isQuiet: Bool {
        switch self {
        case .store(let header): header.isQuiet
        case .delete(_, let isQuiet), .touch(_, _, let isQuiet),
            .arithmetic(_, _, _, let isQuiet), .flushAll(_, let isQuiet),
            .verbosity(_, let isQuiet), .cacheMemlimit(_, let isQuiet),
            .shutdown(_, let isQuiet), .operate(_, let isQuiet):
            isQuiet
        case .failure(let failure): failure.isQuiet
        case .retrieve, .version, .noop, .meta, .debugtime, .stats, .quit: false
        }
    }
}

/// `get`, `gets`, `gat` and `gats`: the keys are the words from `keysStart` to the line's end.
package struct Retrieval: Equatable, Sendable {
    package var showsCASUnique: Bool
    /// For `gat` and `gats`: the exptime that every item that is found gets.
    package var exptime: Int32?
    package var keysStart: Int
}

/// A storage command's line; the data block follows it.
package struct StoreHeader: Equatable, Sendable {
    package enum Verb: Equatable, Sendable {
        case set, add, replace, append, prepend
        case cas(UInt64)
    }
    package var verb: Verb
    package var key: ByteRange
    package var clientFlags: UInt32
    package var exptime: Int32
    package var valueByteCount: Int
    package var isQuiet: Bool
}

package enum ShutdownMode: Equatable, Sendable {
    case immediate, graceful, unknown
}

/// What `debugtime` does to the node's clock.
package enum DebugtimeChange: Equatable, Sendable {
    case advance(seconds: Int64)
    case pause, resume
}

package enum StatsPage: Equatable, Sendable {
    case general, settings, items, slabs, connections, sizes, locks, reset
    // Ours.
    case requests, latency, sessions, clients, restarts
    case top(Top)
    case detail(Detail)
    case cachedump(Cachedump)

    package enum Cachedump: Equatable, Sendable {
        case keys(slabClass: UInt32, limit: UInt32)
        case wrong(ErrorReply)
    }

    package enum Top: Equatable, Sendable {
        case all
        case one(TopWord)
    }

    package enum TopWord: String, CaseIterable, Sendable {
        case reads, rewrites
        case unchangedRewrites = "unchanged_rewrites"
        case size, growth, creators
    }

    package enum Detail: Equatable, Sendable {
        case on, off, dump, unknown
    }
}

/// A line that cannot be carried out. What matters is where the next command begins.
package struct Failure: Error, Equatable, Sendable {
    package enum Recovery: Equatable, Sendable {
        /// The line is done with; the next one is a command.
        case nextLine
        /// A data block of this many bytes, its CR LF included, follows and is not wanted.
        case swallow(byteCount: Int)
        /// There is no telling: the connection ends without a reply.
        case close
    }
    package var reply: ErrorReply
    package var recovery: Recovery
    package var isQuiet: Bool

    package init(_ reply: ErrorReply, recovery: Recovery = .nextLine, isQuiet: Bool = false) {
        self.reply = reply
        self.recovery = recovery
        self.isQuiet = isQuiet
    }
}
