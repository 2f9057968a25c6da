import Synchronization

/// What any thread may set once.
final class Flag: Sendable {
    let value = Atomic<Bool>(false)

    func set() { value.store(true, ordering: .releasing) }
    var isSet: Bool { value.load(ordering: .acquiring) }
}
