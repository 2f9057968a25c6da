import Synchronization

/// Calls its body once with each number below a count, in several threads if it likes, and returns when
/// all calls have.
package typealias EachNumber = (_ count: Int, _ body: @escaping @Sendable (Int) -> Void) -> Void

/// What the calls of `body` come to, in order. Each has what it changes to itself.
func results<Value: Sendable>(
    _ count: Int, _ each: EachNumber, _ body: @escaping (Int) -> Value
) -> [Value] {
    nonisolated(unsafe) let body = body
    let places = Mutex([Value?](repeating: nil, count: count))
    each(count) { number in
        let value = body(number)
        places.withLock { $0[number] = value }
    }
    return places.withLock { values in
        values.map { value in
            guard let value else { preconditionFailure("a number that was left out") }
            return value
        }
    }
}
