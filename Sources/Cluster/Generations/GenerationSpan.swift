/// What a member compares is what it owns by two generations: the one that it acts by, and the one that comes next, which
/// may be the same.
package struct GenerationSpan: Hashable, Sendable {
    package var acted: UInt64
    package var next: UInt64

    package init(acted: UInt64, next: UInt64) {
        self.acted = acted
        self.next = next
    }

    func contains(_ number: UInt64) -> Bool { acted == number || next == number }

    /// Of a cluster that was never changed.
    static let first = GenerationSpan(acted: 1, next: 1)
}
