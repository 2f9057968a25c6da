import Cluster

/// A store that members of a simulation have: the model, or the node's own.
protocol SimulatedStore: ReplicaStore {
    init(
        me: Int, memberCount: Int,
        owners: @escaping @Sendable ([UInt8]) -> (first: Int, second: Int?))

    /// Microseconds since 2025, as this machine believes. Whoever runs it sets it.
    var wall: UInt64 { get set }

    /// The process ends, and another one begins with what is left of it.
    func restart()
    /// The same, with nothing left.
    func lose()

    /// Of the keys that it says yes to.
    func survey(_ isShared: ([UInt8], Stamp) -> Bool) -> Survey
    /// All that a member should have like the other owner of its key.
    var contents: [[UInt8]: KeyState] { get }

    static func command(_ command: ModelCommand, key: [UInt8]) -> [UInt8]
    static func outcome(_ outcome: Outcome, of verb: ModelCommand.Verb) -> ModelOutcome?
}
