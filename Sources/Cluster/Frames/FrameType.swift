/// What a frame says. The numbers between these are kept for what `CLUSTER.md` calls them.
enum FrameType: UInt8 {
    case statement = 4
    case forward = 5
    case outcome = 6
    case replicate = 7
    case acknowledge = 8
    case notes = 9
    case digests = 10
    case list = 11
    case want = 12
    case exchanged = 13
    case moved = 14
    case barrier = 15
    case flush = 17
    case decline = 18
    case definition = 20
    case refuse = 21
    case inform = 22
    case compare = 23
    case flushed = 24
    case fetch = 25
    case fetched = 26
    case sharing = 27
    case ask = 28
    case keep = 29

    /// For errors.
    var name: StaticString {
        switch self {
        case .statement: "statement"
        case .forward: "forward"
        case .outcome: "outcome"
        case .replicate: "replicate"
        case .acknowledge: "acknowledge"
        case .notes: "notes"
        case .digests: "digests"
        case .list: "list"
        case .want: "want"
        case .exchanged: "exchanged"
        case .barrier: "barrier"
        case .flush: "flush"
        case .decline: "decline"
        case .refuse: "refuse"
        case .inform: "inform"
        case .compare: "compare"
        case .flushed: "flushed"
        case .fetch: "fetch"
        case .fetched: "fetched"
        case .sharing: "sharing"
        case .moved: "moved"
        case .definition: "definition"
        case .ask: "ask"
        case .keep: "keep"
        }
    }

    /// The first version that has it. Before, it is an unknown one.
    var first: WireVersion {
        switch self {
        case .sharing, .moved, .definition, .ask, .keep: .three
        default: .two
        }
    }

    var hasHops: Bool { self == .forward }

    var hasSequence: Bool {
        switch self {
        case .replicate, .keep, .acknowledge, .refuse: true
        default: false
        }
    }

    var hasRound: Bool {
        switch self {
        case .compare, .digests, .list, .want, .exchanged: true
        default: false
        }
    }
}
