import Glibc
import MemcacheProtocol

/// One connection's side of the protocol, without its socket: requests are drawn, written down and
/// kept until their replies have been read and compared.
///
/// Goals: each reply is compared whole, as it arrives, in no memory of its own; at most a bounded part
/// of what is to be sent is ever written down. Not goals: reading on after a reply that cannot be:
/// where the next one begins is not known then, and `hasLostStep` says so.
///
/// Invariant: `asked` holds the keys of the requests in `outstanding`, in order.
final class Conversation {
    /// Requests at a time while the keys are stored.
    static let fillDepth = 64

    let context: ConversationContext
    let tally: Tally
    var source: any RequestSource {
        didSet { isExhausted = false }
    }
    /// The source once the keys are stored.
    var main: any RequestSource

    // Sending: see Conversation+Asking.swift.
    var output = OutgoingBytes()
    var outstanding: RingBuffer<Outstanding>
    var asked: RingBuffer<Asked>
    var valueCursor: ValueCursor?
    var wanted = 0
    var wantedSince: UInt64 = 0
    var quietCount = 0
    /// The source has nothing more.
    var isExhausted = false

    // Receiving: see Conversation+Replies.swift.
    var partialLine: [UInt8] = []
    var block: Block?
    var head = HeadProgress()
    private(set) var hasLostStep = false

    /// A request that waits for its reply.
    struct Outstanding {
        var operation: Operation
        var verb: Verb
        var isQuiet: Bool
        var askedCount: UInt32
        /// When it was sent, or should have been.
        var since: UInt64
    }

    /// A value that is being written down.
    struct ValueCursor {
        var key: UInt64
        var revision: UInt32
        var offset: Int
        var count: Int
    }

    /// A data block that is being compared.
    struct Block {
        var asked: Asked
        var offset: Int
        /// Of the value, without its line end.
        var count: Int
        var endCount: Int
        /// Not set where nothing is to be compared any more.
        var isRight: Bool
    }

    /// What is known of the oldest request's reply so far.
    struct HeadProgress {
        /// Its keys that are dealt with.
        var askedCount = 0
        var hits = 0
        var misses = 0
        var isRight = true
    }

    init(
        context: ConversationContext, tally: Tally, source: any RequestSource,
        main: (any RequestSource)? = nil
    ) {
        self.context = context
        self.tally = tally
        self.source = source
        self.main = main ?? source
        // One `mn` may stand between any two quiet requests.
        outstanding = RingBuffer(capacity: 2 * max(context.depth, Self.fillDepth) + 2)
        asked = RingBuffer(capacity: max(context.depth * context.keysPerGet, Self.fillDepth))
        partialLine.reserveCapacity(256)
    }

    /// Requests without a reply.
    var unansweredCount: Int {
        var count = 0
        for number in 0..<outstanding.count where outstanding[number].verb != .noop { count += 1 }
        return count
    }

    /// Nothing is to be sent and nothing to be received.
    var isIdle: Bool {
        outstanding.isEmpty && output.isEmpty && wanted == 0 && valueCursor == nil
    }

    /// Whether a reply has begun and not ended.
    var isWithinReply: Bool { block != nil || !partialLine.isEmpty || head.askedCount > 0 }

    func loseStep(_ fault: Fault, _ example: @autoclosure () -> String) {
        tally.note(fault, example())
        hasLostStep = true
    }
}

/// What all conversations of a run have in common.
struct ConversationContext: Sendable {
    let wire: WireProtocol
    let keys: KeyFormat
    let values: ValueMaker
    let depth: Int
    let keysPerGet: Int
    /// Whether an item may be gone: then a miss is a reply like others.
    let toleratesMisses: Bool
}
