/// The requests of a load and the replies that are right for them.
///
/// A key's value follows from its number, so every reply can be compared as a whole.
struct Workload {
    let operation: LoadCommand.Operation
    let depth: Int
    let keysPerGet: Int
    let keyCount: Int
    let valueByteCount: Int

    struct Batch {
        var request: [UInt8] = []
        var reply: [UInt8] = []
        var requestCount = 0
    }

    private static let storedReply = Array("STORED\r\n".utf8)
    private static let endReply = Array("END\r\n".utf8)

    /// 40 bytes, like a session's key with its prefix.
    static func key(_ number: Int) -> [UInt8] {
        let digits = String(number)
        return Array("session:".utf8)
            + Array(repeating: UInt8(ascii: "0"), count: 32 - digits.utf8.count)
            + Array(digits.utf8)
    }

    func value(_ number: Int) -> [UInt8] {
        var state = UInt64(truncatingIfNeeded: number) &* 0x9E37_79B9_7F4A_7C15 | 1
        return (0..<valueByteCount).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(ascii: "a") + UInt8(truncatingIfNeeded: state % 26)
        }
    }

    func addSet(_ number: Int, to batch: inout Batch) {
        batch.request += Array("set ".utf8) + Self.key(number)
        batch.request += Array(" 0 0 \(valueByteCount)\r\n".utf8)
        batch.request += value(number)
        batch.request += [13, 10]
        batch.reply += Self.storedReply
        batch.requestCount += 1
    }

    private func addGet(_ numbers: [Int], to batch: inout Batch) {
        batch.request += Array("get".utf8)
        for number in numbers {
            let key = Self.key(number)
            batch.request += [32] + key
            batch.reply += Array("VALUE ".utf8) + key
            batch.reply += Array(" 0 \(valueByteCount)\r\n".utf8)
            batch.reply += value(number)
            batch.reply += [13, 10]
        }
        batch.request += [13, 10]
        batch.reply += Self.endReply
        batch.requestCount += 1
    }

    /// Batches to choose from: made once, so that making them does not slow the load down.
    func makeBatches() -> [Batch] {
        var generator = SystemRandomNumberGenerator()
        let budget = 64 << 20
        let estimate = depth * (keysPerGet * (valueByteCount + 100) + 100)
        let count = max(8, min(5_000, budget / max(1, estimate)))
        return (0..<count).map { _ in
            var batch = Batch()
            for _ in 0..<depth {
                let stores =
                    operation == .set
                    || operation == .mixed && Int.random(in: 0..<10, using: &generator) == 0
                if stores {
                    addSet(Int.random(in: 0..<keyCount, using: &generator), to: &batch)
                } else {
                    let numbers = (0..<keysPerGet).map { _ in
                        Int.random(in: 0..<keyCount, using: &generator)
                    }
                    addGet(numbers, to: &batch)
                }
            }
            return batch
        }
    }
}
