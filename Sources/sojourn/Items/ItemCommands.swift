import ArgumentParser
import Glibc
import SessionClient

struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Writes the values of items to standard output.",
        discussion: """
            Values are written as they are stored, byte by byte, one after the other in the order of \
            the keys, and nothing between them; on a terminal each is followed by a line's end.

            With -v also, on standard error: how long it has to live, since when it is there (where its \
            node keeps that), and how long nobody had read it.

            The nodes are asked at the same time. With several copies in the definition all copies are \
            asked, and the newest is shown.

            Example:
              sojourn get --cluster shop.yaml -v session:4f1c

            Status: 0 when every key was found, 1 when one was not or its node did not answer, 64 when \
            the command line is wrong.
            """)

    @Argument(
        help: ArgumentHelp("Keys, as they are sent to the nodes.", valueName: "key"),
        transform: itemKey)
    var keys: [CacheKey]

    @OptionGroup var options: ItemOptions

    func run() async throws {
        let cluster = try options.cluster()
        defer { cluster.cache.shutDown() }
        // Before they are read, which is an access.
        var histories: [CacheKey: ItemHistory] = [:]
        if options.verbose {
            for key in Set(keys) { histories[key] = await cluster.history(of: key) }
        }
        let items = await cluster.cache.get(keys)
        let lineEnd: [UInt8] = isatty(1) == 1 ? [UInt8(ascii: "\n")] : []
        var failureCount = 0
        for key in keys {
            guard let item = items[key] else {
                let reason = items.failures[key]?.sentence ?? "not found"
                tell("sojourn get: \(key): \(reason)\n")
                failureCount += 1
                continue
            }
            if options.verbose {
                tell(
                    "\(key): on \(cluster.places(of: key)), flags \(item.clientFlags), "
                        + "\(item.value.count) bytes\(Self.expiry(item.timeLeft))"
                        + (histories[key].map { ", \($0.sentence)" } ?? "") + "\n")
            }
            try StandardStreams.write(item.value + lineEnd)
        }
        if failureCount > 0 { throw ExitCode(1) }
    }

    private static func expiry(_ timeLeft: Duration?) -> String {
        timeLeft.map { ", \($0.components.seconds) s left" } ?? ""
    }
}

struct SetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Stores an item, whatever was there.",
        discussion: """
            Without VALUE all of standard input is stored, byte by byte; `echo` adds a line's end, \
            `printf` does not. With several copies in the definition every copy is written.

            Examples:
              sojourn set --cluster shop.yaml greeting hello --exptime 60
              sojourn set --cluster shop.yaml logo < logo.png

            Status: 0 when it is stored, 1 when it is not, 64 when the command line is wrong.
            """)

    @Argument(
        help: ArgumentHelp("The key, as it is sent to the nodes.", valueName: "key"),
        transform: itemKey)
    var key: CacheKey

    @Argument(help: ArgumentHelp("The value.", valueName: "value")) var value: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("\(ExptimeArgument.meaning)", valueName: "number"))
    var exptime = ExptimeArgument(.never)

    @Option(help: ArgumentHelp("Client flags, for those who read it.", valueName: "number"))
    var flags: UInt32 = 0

    @OptionGroup var options: ItemOptions

    func run() async throws {
        let cluster = try options.cluster()
        defer { cluster.cache.shutDown() }
        let bytes =
            try value.map { Array($0.utf8) }
            ?? StandardStreams.readAll(byteCountMax: Cluster.valueByteCountMax)
        do {
            _ = try await cluster.cache.set(
                key, to: bytes, expiry: exptime.expiry, clientFlags: flags)
        } catch {
            tell("sojourn set: \(key): \(error.sentence)\n")
            throw ExitCode(1)
        }
        if options.verbose { tell("\(key): on \(cluster.places(of: key))\n") }
    }
}

struct TouchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "touch",
        abstract: "Gives an item another expiry.",
        discussion: """
            Example, for a day from now on:
              sojourn touch --cluster shop.yaml session:4f1c 86400

            Status: 0 when the item is there, 1 when it is not or its node did not answer, 64 when the \
            command line is wrong.
            """)

    @Argument(
        help: ArgumentHelp("The key, as it is sent to the nodes.", valueName: "key"),
        transform: itemKey)
    var key: CacheKey

    @Argument(
        help: ArgumentHelp(
            "\(ExptimeArgument.meaning) A negative one comes after `--`.", valueName: "exptime"))
    var exptime: ExptimeArgument

    @OptionGroup var options: ItemOptions

    func run() async throws {
        let cluster = try options.cluster()
        defer { cluster.cache.shutDown() }
        do {
            guard try await cluster.cache.touch(key, expiry: exptime.expiry) else {
                tell("sojourn touch: \(key): not found\n")
                throw ExitCode(1)
            }
        } catch let error as CacheError {
            tell("sojourn touch: \(key): \(error.sentence)\n")
            throw ExitCode(1)
        }
        if options.verbose { tell("\(key): on \(cluster.places(of: key))\n") }
    }
}

struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Deletes items.",
        discussion: """
            With several copies in the definition every copy is deleted, and nodes that were down learn of it \
            when the key is next read.

            Example:
              sojourn delete --cluster shop.yaml session:4f1c session:77aa

            Status: 0 when every key was there and is deleted, 1 when one was not or its node did not \
            answer, 64 when the command line is wrong.
            """)

    @Argument(
        help: ArgumentHelp("Keys, as they are sent to the nodes.", valueName: "key"),
        transform: itemKey)
    var keys: [CacheKey]

    @OptionGroup var options: ItemOptions

    /// Keys that are deleted at the same time.
    private static let concurrencyMax = 256

    func run() async throws {
        let cluster = try options.cluster()
        defer { cluster.cache.shutDown() }
        var failureCount = 0
        for start in stride(from: 0, to: keys.count, by: Self.concurrencyMax) {
            let part = Array(keys[start..<min(start + Self.concurrencyMax, keys.count)])
            for (key, outcome) in zip(part, await Self.delete(part, from: cluster.cache)) {
                switch outcome {
                case .success(true):
                    if options.verbose { tell("\(key): on \(cluster.places(of: key))\n") }
                case .success(false):
                    tell("sojourn delete: \(key): not found\n")
                    failureCount += 1
                case .failure(let error):
                    tell("sojourn delete: \(key): \(error.sentence)\n")
                    failureCount += 1
                }
            }
        }
        if failureCount > 0 { throw ExitCode(1) }
    }

    /// A function of its own: where a task's closure caught the typed error itself, `sojourn delete` of a
    /// release build crashed (Swift 6.3).
    ///
    /// - Returns: whether it was there.
    private static func delete(
        _ key: CacheKey, from cache: CacheClient
    ) async -> Result<Bool, CacheError> {
        do throws(CacheError) {
            return .success(try await cache.delete(key))
        } catch {
            return .failure(error)
        }
    }

    /// - Returns: whether each was there, in the order of the keys.
    private static func delete(
        _ keys: [CacheKey], from cache: CacheClient
    ) async -> [Result<Bool, CacheError>] {
        await keys.concurrentMap { await delete($0, from: cache) }
    }
}
