import Cluster
import Testing

/// How fast a member sends what another one lacks.
@Suite(.timeLimit(.minutes(10)))
struct ExchangeTests {
    /// Member 0 has lost everything, and asks member 1 for it, some ranges at a time.
    private struct Return {
        let member: Member
        var now: UInt64 = 10_000_000
        private(set) var informed = 0
        private(set) var isOver = false
        private var nextRange = 0

        init(stateCount: Int) {
            let owners: @Sendable ([UInt8]) -> (first: Int, second: Int?) = { _ in (1, 0) }
            let store = ModelStore(me: 1, memberCount: 2, owners: owners)
            member = Member(
                me: 1, memberCount: 2, process: 1, store: store, now: now, owners: owners)
            for number in 0..<stateCount {
                _ = store.perform(
                    Request(
                        number: OperationNumber(member: 1, worker: 0, count: UInt64(number)),
                        isRead: false, key: Array("\(number)".utf8),
                        command: ModelCommand(.set, value: [1]).bytes))
            }
            state(isFirst: true)
            member.receive(.compare(round: 1), from: 0, now: now)
            while let effect = member.takeEffect() {
                guard case .survey(let peer, let number) = effect else { continue }
                member.take(store.survey(sharedWith: 0), for: peer, number: number, now: now)
            }
            for _ in 0..<4 { list() }
            take()
        }

        private func state(isFirst: Bool) {
            let statement = Statement(process: 2, time: now, standing: .unknown)
            if isFirst {
                member.linked(0, statement, now: now)
            } else {
                member.heard(0, statement, now: now)
            }
        }

        private mutating func list() {
            guard nextRange < Survey.rangeCount else { return }
            let range = UInt16(nextRange)
            nextRange += 1
            member.receive(.list(round: 1, range: range, []), from: 0, now: now)
        }

        private mutating func take() {
            while let effect = member.takeEffect() {
                switch effect {
                case .send(_, .inform): informed += 1
                case .send(_, .want(_, let range, _)):
                    list()
                    if Int(range) == Survey.rangeCount - 1 { isOver = true }
                default: break
                }
            }
        }

        mutating func goOn() {
            now += 10_000
            state(isFirst: false)
            member.tick(now: now)
            take()
        }
    }

    @Test("What was missed in a short absence goes at once")
    func short() {
        let missed = Return(stateCount: 3_000)
        #expect(missed.informed == 3_000 && missed.isOver)
    }

    @Test("All of a large memory goes at a pace, beside what clients ask for")
    func long() {
        var missed = Return(stateCount: 9_000)
        #expect((4_000..<4_050).contains(missed.informed) && !missed.isOver)
        for tick in 1..<50 {
            #expect(missed.member.isPaced)
            missed.goOn()
            // 30 a millisecond, and what is in a range beyond that.
            #expect(missed.informed <= 4_050 + 300 * tick)
            if missed.isOver { break }
        }
        #expect(missed.informed == 9_000 && missed.isOver && !missed.member.isPaced)
        // 5,000 states at 300 a tick, and no slower than that.
        #expect(missed.now <= 10_000_000 + 18 * 10_000)
    }
}
