import Testing

@testable import SessionMap

@Suite(.timeLimit(.minutes(10))) struct RecencyQueueTests {
    private let memory = TestRegion(unitCount: 200)
    /// Places for items of four units each.
    private let items: [Item] = (1...20).map { Item($0 * 4) }

    private func order(_ queue: RecencyQueue) -> [Item] {
        var forwards: [Item] = []
        var item = queue.newest
        // A ring of links would have no end.
        while !item.isNull, forwards.count <= items.count {
            forwards.append(item)
            item = queue.older(than: item)
        }
        var backwards: [Item] = []
        item = queue.oldest
        while !item.isNull, backwards.count <= items.count {
            backwards.append(item)
            item = queue.newer(than: item)
        }
        #expect(forwards == backwards.reversed(), "the two directions differ")
        let count = queue.count
        #expect(forwards.count == count, "the queue counts wrongly")
        return forwards
    }

    @Test func anEmptyQueueHasNoEnds() {
        let queue = RecencyQueue(region: memory.region)
        #expect(queue.newest.isNull && queue.oldest.isNull && order(queue).isEmpty)
    }

    @Test func theOnlyItemIsBothEndsAndLeavesNothing() {
        var queue = RecencyQueue(region: memory.region)
        queue.insert(items[0])
        #expect(queue.newest == items[0] && queue.oldest == items[0])
        queue.bump(items[0])
        #expect(order(queue) == [items[0]])
        queue.remove(items[0])
        #expect(queue.newest.isNull && queue.oldest.isNull && order(queue).isEmpty)
    }

    @Test func anItemLeavesFromEitherEndAndFromTheMiddle() {
        for gone in 0..<3 {
            var queue = RecencyQueue(region: memory.region)
            let three = Array(items[0..<3])
            for item in three { queue.insert(item) }
            queue.remove(three[gone])
            #expect(order(queue) == three.reversed().filter { $0 != three[gone] })
        }
    }

    @Test func aBumpedItemIsTheNewest() {
        for bumped in 0..<3 {
            var queue = RecencyQueue(region: memory.region)
            let three = Array(items[0..<3])
            for item in three { queue.insert(item) }
            queue.bump(three[bumped])
            #expect(
                order(queue) == [three[bumped]] + three.reversed().filter { $0 != three[bumped] })
        }
    }

    @Test func randomUseAgreesWithAnArray() {
        var generator = SeededGenerator(seed: environmentNumber("SOJOURN_SEED", default: 2))
        var queue = RecencyQueue(region: memory.region)
        var model: [Item] = []
        for _ in 0..<3000 {
            let item = items[generator.number(below: items.count)]
            if let place = model.firstIndex(of: item) {
                model.remove(at: place)
                if generator.isHit(oneIn: 2) {
                    queue.bump(item)
                    model.insert(item, at: 0)
                } else {
                    queue.remove(item)
                }
            } else {
                queue.insert(item)
                model.insert(item, at: 0)
            }
            #expect(order(queue) == model)
        }
    }
}
