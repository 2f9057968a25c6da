import Testing

@testable import CacheNode

@Suite(.timeLimit(.minutes(10)))
struct MemoryBudgetTests {
    @Test("A node does not take more memory than its control group has")
    func budget() {
        func shortage(_ megabytes: Int, _ budget: MemoryBudget) -> String? {
            budget.shortage(arenaByteCount: megabytes << 20)
        }
        let small = MemoryBudget(
            limits: ["134217728", "max"], swapLimits: ["0"], limitsWithSwap: [],
            freeSwapByteCount: 1 << 30)
        #expect(shortage(96, small) == nil)
        #expect(shortage(97, small)?.contains("-m 96 at most") == true)
        #expect(shortage(256, small)?.contains("128 MB") == true)
        let swapping = MemoryBudget(
            limits: ["134217728"], swapLimits: ["max"], limitsWithSwap: [],
            freeSwapByteCount: 1 << 30)
        #expect(shortage(256, swapping) == nil)
        let old = MemoryBudget(
            limits: ["134217728", "9223372036854771712"], swapLimits: [],
            limitsWithSwap: ["167772160"], freeSwapByteCount: 1 << 30)
        #expect(shortage(128, old) == nil && shortage(129, old) != nil)
        let none = MemoryBudget(
            limits: ["max", "9223372036854771712"], swapLimits: ["max"], limitsWithSwap: [],
            freeSwapByteCount: 0)
        #expect(shortage(1 << 20, none) == nil)
    }
}
