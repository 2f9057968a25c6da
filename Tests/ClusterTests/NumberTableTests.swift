import TestSupport
import Testing

@testable import Cluster

@Suite(.timeLimit(.minutes(10)))
struct NumberTableTests {
    @Test("Values are found by their numbers as in a dictionary, whichever come and go")
    func dictionary() {
        var generator = SeededGenerator(seed: 3)
        // Numbers that are counted up, those of several members, and any.
        for kind in 0..<3 {
            var table = NumberTable<[UInt8]>()
            var judge: [UInt64: [UInt8]] = [:]
            var count: UInt64 = 0
            for step in 0..<20_000 {
                let isNew = Int.random(in: 0..<5, using: &generator) < (step < 10_000 ? 3 : 2)
                let known = judge.keys.randomElement(using: &generator)
                if isNew || known == nil {
                    count += 1
                    let number =
                        switch kind {
                        case 0: count
                        case 1: count % 3 << 56 | count / 3
                        default: UInt64.random(in: 0 ... .max, using: &generator)
                        }
                    let value = [UInt8(truncatingIfNeeded: step)]
                    #expect(
                        table.update(value, for: number) == judge.updateValue(value, forKey: number)
                    )
                } else if let known {
                    #expect(table[known] == judge[known])
                    #expect(table.remove(known) == judge.removeValue(forKey: known))
                    #expect(table[known] == nil)
                }
                #expect(table.count == judge.count)
            }
            #expect(Set(table.numbers) == Set(judge.keys))
            for (number, value) in judge { #expect(table[number] == value) }
        }
    }
}
