/// What an operator asks of a node in memcached's words, beyond the general commands.
///
/// Much of it tunes machinery that only memcached has. It is taken, answered and shown all the same:
/// tools and scripts send it.
package enum OperatorCommand: Equatable, Sendable {
    /// Is answered with OK.
    case tune(OperatorSetting)
    case reassign(source: Int32, target: Int32)
    case enableCrawler
    case disableCrawler
    case crawl(ItemSelection)
    case dump(DumpStyle, ItemSelection)
    /// Nothing where an event is unknown.
    case watch(WatchedEvents?)
    case refreshCertificates
    /// `config get cluster`, which ElastiCache added: clients ask any node for all of them.
    case showCluster
    /// `config get definition`: the same for our own client, with weights and the rule of placement.
    case showDefinition
    /// Cannot be carried out by any node.
    case refused(OperatorReply)
}

/// A setting of memcached's machinery.
package enum OperatorSetting: Equatable, Sendable {
    case segments(hotPercent: UInt32, warmPercent: UInt32, hotFactor: Double, warmFactor: Double)
    case isSegmented(Bool)
    /// Negative is off.
    case temporaryTTL(Int32)
    case automove(UInt32)
    case automoveWindow(UInt32)
    case automoveRatio(Double)
    case automoveFreeRatio(Double)
    case crawlerSleepMicroseconds(UInt32)
    case crawlerItemCount(UInt32)
}

/// The items that a crawler command is about.
package enum ItemSelection: Equatable, Sendable {
    /// Class by class.
    case all
    /// In the order of the index.
    case hash
    /// Of these slab classes: a bit for each number.
    case classes(UInt64)
    /// A list that names no class.
    case none
    case badClass

    package static let classNumbers = 1...63
}

/// What a dump tells of each item.
package enum DumpStyle: Equatable, Sendable {
    /// `metadump`: key, times, sizes.
    case metadata
    /// `mgdump`: the `mg` command that reads it.
    case commands
}

/// What a watcher wants to be told of.
///
/// Public for the reason that `ReplyWriter` is.
public struct WatchedEvents: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

    @inlinable public static var fetchers: WatchedEvents { WatchedEvents(rawValue: 1 << 0) }
    @inlinable public static var mutations: WatchedEvents { WatchedEvents(rawValue: 1 << 1) }
    @inlinable public static var evictions: WatchedEvents { WatchedEvents(rawValue: 1 << 2) }
    @inlinable public static var connections: WatchedEvents { WatchedEvents(rawValue: 1 << 3) }
    @inlinable public static var deletions: WatchedEvents { WatchedEvents(rawValue: 1 << 4) }
    /// Of machinery that only memcached has: asked for in vain.
    @inlinable public static var foreign: WatchedEvents { WatchedEvents(rawValue: 1 << 5) }
    /// The events that show keys.
    package static let ofItems: WatchedEvents = [.fetchers, .mutations, .evictions, .deletions]
}

/// Replies to an operator, word for word memcached's.
package enum OperatorReply: Equatable, Sendable {
    case error
    case badFormat
    case tooMuchHotAndWarm
    case badAgeFactors
    case badWindow
    case sleepTooLong
    case reassignDisabled
    case reassignSame
    case reassignBadClass
    case reassignNoSpare
    case crawlerDisabled
    case crawlerNotStarted
    case crawlerBusy
    case crawlerFailed
    case badClass
    case nothingToCrawl
    case metadumpNotAllowed
    case keyDumpNotAllowed
    case metadumpPipelined
    case mgdumpPipelined
    case watchNotAllowed
    case watchPipelined
    case tooManyWatchers
    case noTLS

    package var line: StaticString {
        switch self {
        case .error: "ERROR\r\n"
        case .badFormat: "CLIENT_ERROR bad command line format\r\n"
        case .tooMuchHotAndWarm: "ERROR hot and warm pcts must not exceed 80\r\n"
        case .badAgeFactors: "ERROR hot/warm age factors must be greater than 0\r\n"
        case .badWindow: "CLIENT_ERROR automove window too low or too high\r\n"
        case .sleepTooLong: "CLIENT_ERROR sleep must be one second or less\r\n"
        case .reassignDisabled: "CLIENT_ERROR slab reassignment disabled\r\n"
        case .reassignSame: "SAME src and dst class are identical\r\n"
        case .reassignBadClass: "BADCLASS invalid src or dst class id\r\n"
        case .reassignNoSpare: "NOSPARE source class has no spare pages\r\n"
        case .crawlerDisabled: "CLIENT_ERROR lru crawler disabled\r\n"
        case .crawlerNotStarted: "ERROR failed to start lru crawler thread\r\n"
        case .crawlerBusy: "BUSY currently processing crawler request\r\n"
        case .crawlerFailed: "ERROR an unknown error happened\r\n"
        case .badClass: "BADCLASS invalid class id\r\n"
        case .nothingToCrawl: "NOTSTARTED no items to crawl\r\n"
        case .metadumpNotAllowed: "ERROR metadump not allowed\r\n"
        case .keyDumpNotAllowed: "ERROR key dump not allowed\r\n"
        case .metadumpPipelined: "ERROR cannot pipeline other commands before metadump\r\n"
        case .mgdumpPipelined: "ERROR cannot pipeline other commands before mgdump\r\n"
        case .watchNotAllowed: "CLIENT_ERROR watch commands not allowed\r\n"
        case .watchPipelined: "ERROR cannot pipeline other commands before watch\r\n"
        case .tooManyWatchers: "WATCHER_TOO_MANY log watcher limit reached\r\n"
        case .noTLS: "Error TLS not enabled\r\n"
        }
    }
}
