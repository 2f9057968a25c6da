import Glibc
package import Logging
import Synchronization

/// Log lines on their way to a descriptor, which may be a pipe that nobody reads.
///
/// Goals: whoever logs never waits for the reader; memory is bounded; what is lost is counted, and said
/// in the log as soon as there is room again. A thread of its own writes, and may wait for ever.
///
/// `stats` shows lines that were lost as `log_lines_dropped`.
package final class LogQueue: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        var lineCount = 0
        /// Dropped since that was last said.
        var unsaidCount = 0
        var rates = LogRates()
        /// The thread has taken bytes that are not written yet.
        var isWriting = false
    }

    private let descriptor: Int32
    private let state = Mutex(State())
    private let work: Semaphore
    private let isStarted = Atomic<Bool>(false)
    /// Of the thread that writes; an earlier one ends.
    private let generation = Atomic<Int>(0)
    private let dropped = Atomic<UInt64>(0)

    /// What may wait to be written.
    static let byteCountMax = 64 << 10
    /// One line, without its beginning.
    static let messageByteCountMax = 4_096

    /// Nothing is written before `start`.
    package init(descriptor: Int32) {
        self.descriptor = descriptor
        work = Semaphore()
    }

    /// Starts the thread, which is there until the process ends. Not before a fork: threads stay behind.
    package func start() throws(NodeError) {
        guard !isStarted.exchange(true, ordering: .relaxed) else { return }
        // A node that cannot have a thread cannot serve either.
        _ = try NodeThread { [self] in run(generation: 0) }
    }

    /// Lets another thread write, which has given up what the calling one has.
    package func restart() throws(NodeError) {
        let next = generation.add(1, ordering: .relaxed).newValue
        _ = try NodeThread { [self] in run(generation: next) }
        work.signal()
    }

    /// Lines that nobody will read: there was no room, or the reader has gone.
    package var droppedCount: UInt64 { dropped.load(ordering: .relaxed) }

    package func makeLogger(label: String) -> Logger {
        var logger = Logger(label: label) { _ in LogQueueHandler(label: label, queue: self) }
        // What is wanted is asked before a message is made: `verbosity` can change it.
        logger.logLevel = .trace
        return logger
    }

    /// - Parameter kind: lines of one kind are told some times in a while, and then counted; without
    ///   one each is told.
    func add(_ message: String, beginning: String, kind: LogRates.Kind?) {
        let seconds = Self.seconds()
        state.withLock { state in
            for line in state.rates.due(at: seconds) { add(line, to: &state) }
            guard let kind else { return add(beginning + message, to: &state) }
            if state.rates.admits(kind, message: beginning + message, at: seconds) {
                add(beginning + message, to: &state)
            }
        }
        work.signal()
    }

    private func add(_ text: String, to state: inout State) {
        guard state.bytes.count + text.utf8.count < Self.byteCountMax else {
            state.unsaidCount += 1
            dropped.add(1, ordering: .relaxed)
            return
        }
        if state.unsaidCount > 0 {
            state.bytes +=
                "(\(state.unsaidCount) lines were dropped here: nobody read the log)\n".utf8
            state.unsaidCount = 0
        }
        // A line stays a line, whatever is in it.
        for byte in text.utf8.prefix(Self.messageByteCountMax) {
            state.bytes.append(byte < 0x20 || byte == 0x7F ? UInt8(ascii: "?") : byte)
        }
        state.bytes.append(UInt8(ascii: "\n"))
        state.lineCount += 1
    }

    /// Waits until all is written, but not for long: the reader may never come.
    package func drain(milliseconds: Int) {
        guard isStarted.load(ordering: .relaxed) else { return }
        state.withLock { state in
            for line in state.rates.due(at: .max) { add(line, to: &state) }
        }
        work.signal()
        for _ in 0..<milliseconds {
            if state.withLock({ $0.bytes.isEmpty && !$0.isWriting }) { return }
            usleep(1_000)
        }
    }

    // MARK: The thread

    private func run(generation: Int) {
        while true {
            work.waitForAll(seconds: state.withLock { $0.rates.hasLeftOut } ? 1 : nil)
            guard generation == self.generation.load(ordering: .relaxed) else {
                // What there is to write is the next one's.
                return work.signal()
            }
            let (bytes, lineCount) = state.withLock { state in
                for line in state.rates.due(at: Self.seconds()) { add(line, to: &state) }
                defer {
                    state.bytes = []
                    state.lineCount = 0
                    state.isWriting = true
                }
                return (state.bytes, state.lineCount)
            }
            if !write(bytes) { dropped.add(UInt64(lineCount), ordering: .relaxed) }
            state.withLock { $0.isWriting = false }
        }
    }

    private func write(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                // Somebody who shares the descriptor made it non-blocking.
                var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&wanted, 1, 1_000)
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }

    private static func seconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec
    }
}

/// The log's lines as swift-log gives them.
private struct LogQueueHandler: LogHandler {
    let label: String
    let queue: LogQueue
    var logLevel = Logger.Level.trace
    var metadata = Logger.Metadata()

    init(label: String, queue: LogQueue) {
        self.label = label
        self.queue = queue
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        // Whoever asks for a line per command wants each of them.
        let kind = event.level < .info ? nil : LogRates.Kind(file: event.file, line: event.line)
        queue.add(
            "\(event.message)", beginning: "\(Self.timestamp()) \(event.level) \(label): ",
            kind: kind)
    }

    private static func timestamp() -> String {
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        var text = [CChar](repeating: 0, count: 64)
        let count = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%S%z", &parts)
        return String(
            decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
