import Testing

@testable import SessionMap

/// Random operations on a map with rules and on a plain dictionary that keeps to the same ones: both agree at
/// each step, also once another process has taken over.
///
/// SOJOURN_SEED chooses other operations, SOJOURN_STEPS more of them.
@Suite(.timeLimit(.minutes(10))) struct TimeoutModelTests {
    private struct Known {
        var birth: UInt32
        var end: UInt32
        var slides: Bool
    }

    private let seed = environmentNumber("SOJOURN_SEED", default: 7)
    private let stepCount = Int(environmentNumber("SOJOURN_STEPS", default: 20_000))

    @Test("A map and its model agree on when each item ends", arguments: [0, 400], [0, 900])
    func agree(idle: UInt32, absolute: UInt32) throws {
        print("timeouts: SOJOURN_SEED=\(seed)")
        var rules = TimeoutRules()
        rules.idleSeconds = idle
        rules.absoluteSeconds = absolute
        rules.maxSeconds = 700
        let memory = OutlivingMemory(
            MapConfiguration(
                byteCount: 1 << 20, shardCount: 2, hashSeed: 42,
                features: absolute == 0 ? .checksums : [.checksums, .births],
                lifetimes: Lifetimes(rules, birthClockLead: 5_000)))
        var map = try memory.makeMap()
        var model: [String: Known] = [:]
        var generator = SeededGenerator(seed: seed)
        var now: UInt32 = 10

        func ruled(_ wish: UInt32, birth: UInt32) -> Known {
            var end = wish == 0 ? now + 700 : min(now + wish, now + 700)
            let slides = idle != 0 && end >= now + idle
            if slides { end = now + idle }
            if absolute != 0 { end = min(end, birth + absolute) }
            return Known(birth: birth, end: end, slides: slides)
        }

        for step in 0..<stepCount {
            if generator.isHit(oneIn: 3) { now += UInt32(generator.number(below: 40)) }
            model = model.filter { $0.value.end > now }
            let text = "key-\(generator.number(below: 12))"
            let key = Array(text.utf8)
            let wish = UInt32(
                [0, 5, 60, 399, 400, 401, 699, 3_000].randomElement(using: &generator)!)
            let deadline = wish == 0 ? Deadline.never : .at(UInt64(now + wish))
            switch generator.number(below: 7) {
            case 0, 1:
                #expect(map.set(key, [1], deadline: deadline, now: now) == .stored)
                model[text] = ruled(wish, birth: model[text]?.birth ?? now)
            case 2:
                let isHit = map.get(key, now: now, touch: deadline).hit != nil
                #expect(isHit == (model[text] != nil))
                if let known = model[text] { model[text] = ruled(wish, birth: known.birth) }
            case 3, 4:
                #expect((map.get(key, now: now).hit != nil) == (model[text] != nil))
                if let known = model[text], known.slides {
                    model[text] = ruled(0, birth: known.birth)
                }
            case 5:
                #expect(map.remove(key, now: now) == (model[text] != nil))
                model[text] = nil
            default:
                if generator.isHit(oneIn: 20) {
                    map = try memory.recover(now: now).map
                } else {
                    map.maintainFully(now: now)
                }
            }
            var left: UInt32?
            _ = map.peek(key.span, now: now) { left = $0.secondsLeft }
            let expected = model[text].map { $0.end - now }
            #expect(left == expected, "step \(step), \(text)")
            if left != expected { return }
        }
        map.checkInvariants(now: now)
    }
}
