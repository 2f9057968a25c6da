/// The waits of a worker's connections, the one that is due first in front: a binary heap in which each
/// wait knows its place, so that one which ends early is taken out at once.
///
/// Invariant: no wait is due before the one above it; `heap[wait.place] === wait`.
struct WaitQueue: ~Copyable {
    private var heap: [Waiting] = []

    var first: Waiting? { heap.first }
    var count: Int { heap.count }

    /// Takes a wait in, or to its place after its time has changed.
    mutating func put(_ waiting: Waiting) {
        if waiting.place < 0 {
            waiting.place = heap.count
            heap.append(waiting)
        }
        settle(waiting.place)
    }

    /// Nothing happens for one that is not in it.
    mutating func remove(_ waiting: Waiting) {
        let place = waiting.place
        guard place >= 0 else { return }
        let last = heap.removeLast()
        waiting.place = -1
        guard last !== waiting else { return }
        heap[place] = last
        last.place = place
        settle(place)
    }

    private mutating func settle(_ place: Int) {
        var place = place
        while place > 0, heap[place].due < heap[(place - 1) / 2].due {
            swap(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2]
            where child < heap.count && heap[child].due < heap[least].due {
                least = child
            }
            guard least != place else { return }
            swap(place, least)
            place = least
        }
    }

    private mutating func swap(_ one: Int, _ other: Int) {
        heap.swapAt(one, other)
        heap[one].place = one
        heap[other].place = other
    }
}
