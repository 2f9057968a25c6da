import Testing

@testable import CacheNode

@Suite(.timeLimit(.minutes(10)))
struct SocketStateTests {
    private static let closing = SocketState.closing(.normal)
    private static let all: [SocketState] = [
        .serving, .yielded, .blocked, .blockedYielded, .telling, .tellingBlocked, closing,
    ]

    @Test("What is not told here leaves the state as it is")
    func transitions() {
        let moves: [(from: SocketState, event: SocketState.Event, to: SocketState)] = [
            (.serving, .stuck, .blocked), (.serving, .yields, .yielded),
            (.serving, .halfCloses, .telling), (.yielded, .stuck, .blockedYielded),
            (.yielded, .resumes, .serving), (.yielded, .halfCloses, .telling),
            (.blocked, .drained, .serving), (.blocked, .yields, .blockedYielded),
            (.blocked, .halfCloses, .tellingBlocked), (.blockedYielded, .drained, .yielded),
            (.blockedYielded, .resumes, .blocked),
            (.blockedYielded, .halfCloses, .tellingBlocked), (.telling, .stuck, .tellingBlocked),
            (.tellingBlocked, .drained, .telling),
        ]
        let events: [SocketState.Event] = [.stuck, .drained, .yields, .resumes, .halfCloses]
        for state in Self.all {
            for event in events {
                let move = moves.first { $0.from == state && "\($0.event)" == "\(event)" }
                #expect(state.after(event) == move?.to ?? state, "\(state), \(event)")
            }
        }
    }

    @Test("Any state ends, once: the first reason stays")
    func ending() {
        for state in Self.all where state != Self.closing {
            #expect(state.after(.ends(.shutdown)) == .closing(.shutdown))
        }
        #expect(Self.closing.after(.ends(.shutdown)) == Self.closing)
    }

    @Test(
        "Who is blocked, has yielded or is told what happens, stays so through the others' coming")
    func independence() {
        for state in Self.all where state != Self.closing && !state.isTelling {
            #expect(state.after(.stuck).isBlocked && !state.after(.drained).isBlocked)
            #expect(state.after(.stuck).hasYielded == state.hasYielded)
            #expect(state.after(.drained).hasYielded == state.hasYielded)
            #expect(state.after(.yields).hasYielded && !state.after(.resumes).hasYielded)
            #expect(state.after(.yields).isBlocked == state.isBlocked)
            #expect(state.after(.halfCloses).isTelling)
            #expect(state.after(.halfCloses).isBlocked == state.isBlocked)
        }
        #expect(Self.closing.isBlocked && !Self.closing.mayRun)
    }
}
