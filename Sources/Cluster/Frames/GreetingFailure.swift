/// Why an acceptor hangs up on who has dialled, by the number that it answers.
package enum GreetingRefusal: UInt8, Sendable, CaseIterable {
    /// All that is told of it to who offers version 2, and by who speaks nothing else.
    case otherVersion = 1
    case otherCluster = 2
    case otherDefinition = 3
    /// It is for another member, or from one that is to be dialled itself.
    case notForMe = 4
    case otherItemLimit = 5
    /// It may do better later.
    case busy = 6
    case wrongSecret = 7
    /// The same as `otherVersion`. The newest version that is spoken there (2) follows.
    case unspokenVersion = 8

    /// What it is about.
    fileprivate var subject: String {
        switch self {
        case .otherVersion, .unspokenVersion: "protocol version"
        case .otherCluster: "hash of the cluster's name"
        case .otherDefinition: "hash of the cluster's definition"
        case .notForMe: "link's ends"
        case .otherItemLimit: "largest item's bytes"
        case .busy: "new links"
        case .wrongSecret: "proof"
        }
    }
}

/// Why a link does not come about.
package enum GreetingFailure: Error, Equatable, Sendable {
    /// What has come is no greeting of this protocol.
    case garbled(String)
    /// This side goes no further.
    case refuses(GreetingRefusal, expected: String, came: String)
    /// The same, as the peer offers, or has chosen, a version that is none of this side's.
    case refusesVersion(WireVersion, spoken: WireVersions)
    /// The peer has gone no further. It knows what it expected.
    case refused(GreetingRefusal)
    /// The same, as it does not speak what was offered. What it speaks it may have told.
    case refusedVersion(offered: WireVersion, newest: WireVersion?)
}

extension GreetingFailure: CustomStringConvertible {
    /// One line: what was expected, and what came.
    package var description: String {
        switch self {
        case .garbled(let problem): problem
        case .refuses(let refusal, let expected, let came):
            "\(refusal.subject): \(expected) was expected, \(came) came"
        case .refused(let refusal): "\(refusal.subject): the peer has expected something else"
        case .refusesVersion(let theirs, let spoken):
            "protocol version: \(spoken) is spoken here, and the peer's is \(theirs). \(Self.advice)"
        case .refusedVersion(let offered, let newest?):
            "protocol version: the peer's is \(newest), and \(offered) was offered. \(Self.advice)"
        case .refusedVersion(let offered, nil):
            "protocol version: the peer does not speak \(offered). \(Self.advice)"
        }
    }

    private static let advice =
        "Only neighbouring versions talk to each other: bring the older node to the next one first"

    /// Whether the peer may speak what is offered next: it has refused the newest of these versions without a word on
    /// its own.
    package func isFirstRefusal(of versions: WireVersions) -> Bool {
        self == .refusedVersion(offered: versions.newest, newest: nil) && versions.fallback != nil
    }

    /// What an acceptor says before it hangs up: nothing to who does not speak this protocol.
    var answer: [UInt8] {
        switch self {
        case .garbled, .refused, .refusedVersion: []
        case .refuses(let refusal, _, _): [refusal.rawValue]
        case .refusesVersion(let theirs, let spoken):
            // A 2 knows no other answer.
            theirs <= .two || spoken.newest == .two
                ? [GreetingRefusal.otherVersion.rawValue]
                : [
                    GreetingRefusal.unspokenVersion.rawValue,
                    UInt8(truncatingIfNeeded: spoken.newest.rawValue),
                    UInt8(spoken.newest.rawValue >> 8),
                ]
        }
    }

    /// Refuses, unless what has come is what was expected.
    static func require<Value: Equatable>(
        _ expected: Value, _ came: Value, or refusal: GreetingRefusal
    ) throws(GreetingFailure) {
        guard came == expected else {
            throw .refuses(refusal, expected: "\(expected)", came: "\(came)")
        }
    }
}
