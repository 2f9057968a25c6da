/// Why an acceptor hangs up on who has dialled, by the number that it answers.
package enum GreetingRefusal: UInt8, Sendable, CaseIterable {
    case otherVersion = 1
    case otherCluster = 2
    case otherDefinition = 3
    /// It is for another member, or from one that is to be dialled itself.
    case notForMe = 4
    case otherItemLimit = 5
    /// It may do better later.
    case busy = 6
    case wrongSecret = 7

    /// What it is about.
    fileprivate var subject: String {
        switch self {
        case .otherVersion: "protocol version"
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
    /// The peer has gone no further. It knows what it expected.
    case refused(GreetingRefusal)
}

extension GreetingFailure: CustomStringConvertible {
    /// One line: what was expected, and what came.
    package var description: String {
        switch self {
        case .garbled(let problem): problem
        case .refuses(let refusal, let expected, let came):
            "\(refusal.subject): \(expected) was expected, \(came) came"
        case .refused(let refusal): "\(refusal.subject): the peer has expected something else"
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
