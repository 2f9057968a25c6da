extension Array where Element: Sendable {
    /// What comes of each, in order.
    ///
    /// - Parameter atMost: elements that are transformed at the same time. A node that is asked takes a socket.
    func concurrentMap<Outcome: Sendable>(
        atMost countMax: Int = 256,
        _ transform: @escaping @Sendable (Element) async -> Outcome
    ) async -> [Outcome] {
        await withTaskGroup(of: (Int, Outcome).self) { tasks in
            var rest = enumerated().makeIterator()
            func begin() {
                guard let (place, element) = rest.next() else { return }
                tasks.addTask { (place, await transform(element)) }
            }
            for _ in 0..<Swift.min(countMax, count) { begin() }
            var outcomes = [Outcome?](repeating: nil, count: count)
            for await (place, outcome) in tasks {
                outcomes[place] = outcome
                begin()
            }
            return outcomes.compactMap { $0 }
        }
    }
}
