import MemcacheProtocol
import SessionMap

/// `get`, `gets`, `gat`, `gats`: one path, key by key. Only a line that is longer than the input buffer
/// comes in parts.
struct TextRetrieval: Equatable {
    /// After so many keys others get their turn: a line may have a quarter of a million.
    static let keysPerTurn = 1_000

    private let showsCASUnique: Bool
    /// For `gat` and `gats`.
    private let touch: Deadline?

    @inline(__always)
    var kind: RequestKind {
        .retrieval(showsCASUnique: showsCASUnique, touches: touch != nil)
    }

    @inline(__always)
    init(_ retrieval: Retrieval, rule: ExptimeRule, now: Moment) {
        showsCASUnique = retrieval.showsCASUnique
        touch = retrieval.exptime.map { rule.deadline($0, now: now) }
    }

    /// Why it goes no further.
    enum Step {
        /// Its line is used up, and the END is said.
        case over
        /// The rest of the line has not arrived.
        case needsInput
        case outputFull
        /// There were enough keys for a turn.
        case tired
        /// The rest of the line is of no use; it has not arrived.
        case voided
    }

    /// Goes on with the keys, from the input's first byte on.
    ///
    /// - Parameter newline: where the input's first line ends, if it has arrived.
    func run(
        _ input: inout InputBuffer, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        newline: Int?, now: Moment
    ) -> Step {
        let bytes = input.bytes
        let span = bytes.span
        var line = span
        if let newline {
            let hasReturn = newline > 0 && span[newline - 1] == UInt8(ascii: "\r")
            line = span.extracting(first: hasReturn ? newline - 1 : newline)
        }
        var position = 0
        var keysLeft = Self.keysPerTurn
        // Most lines have one key: behind it nothing is looked for.
        while position < line.count, let word = nextWord(in: line, from: position) {
            guard word.count <= ProtocolLimits.keyByteCountMax else {
                return giveUp(.badFormat, &input, &output, newline: nil)
            }
            let step: Step?
            if newline == nil, word.end == span.count {
                // The key may go on.
                step = .needsInput
            } else if output.isAboveHighWater {
                step = .outputFull
            } else {
                step = keysLeft > 0 ? nil : .tired
            }
            if let step {
                input.use(word.start)
                return step
            }
            keysLeft &-= 1
            position = word.end
            guard retrieve(line.extracting(word.range), &output, executor, now: now) else {
                return giveUp(.outOfMemoryForReply, &input, &output, newline: newline)
            }
        }
        guard let newline else {
            input.use(input.count)
            return .needsInput
        }
        input.use(newline + 1)
        output.append(.end)
        return .over
    }

    /// An over-long key in a part of a line, or a value that cannot be sent. Values of the first keys may
    /// have been sent already.
    private func giveUp(
        _ error: ErrorReply, _ input: inout InputBuffer, _ output: inout OutputBuffer,
        newline: Int?
    ) -> Step {
        output.append(error)
        guard let newline else { return .voided }
        input.use(newline + 1)
        return .over
    }

    /// False when the value cannot be sent.
    @inline(__always)
    private func retrieve(
        _ key: Span<UInt8>, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) -> Bool {
        let pendingByteCount = output.pendingByteCount
        let result = executor.retrieve(
            key, as: touch == nil ? .get : .getAndTouch, now: now
        ) { hit in
            var use = HitUse.touched(touch)
            use.pinsValue = output.append(hit, key: key, showsCASUnique: showsCASUnique)
            return use
        }
        if let pinned = result.pinned { output.append(block: pinned) }
        if case .outOfMemory = result.outcome {
            output.takeBack(output.pendingByteCount - pendingByteCount)
            return false
        }
        return true
    }
}
