import Synchronization

/// What an operator may change while the node runs, and that is of no space.
struct NodeSwitches: ~Copyable, Sendable {
    let tuning: Mutex<Tuning>
    let verbosity: Atomic<Int>

    init(_ configuration: NodeConfiguration) {
        tuning = Mutex(configuration.tuning)
        verbosity = Atomic(configuration.verbosity)
    }
}
