import HashRing

/// Where one connection's requests come from: those that store its keys, and those of the workload.
struct ConnectionSources {
    let fill: any RequestSource
    let main: any RequestSource

    init(plan: LoadPlan, dealing: KeyDealing, connection: Int, tally: Tally) {
        let book = KeyBook(dealing.keys(ofConnection: connection))
        let seed = SplitMix64.mixed(plan.seed) &+ UInt64(connection)
        guard plan.wire != .echo else {
            fill = NoSource()
            main = MixSource(
                book: book, mix: OperationMix([(.echo, 1)]), exptime: 0, keysPerGet: 1,
                hasQuietSets: false, seed: seed)
            return
        }
        fill = FillSource(book: book, exptime: plan.exptime)
        switch plan.workload {
        case .mix(let mix):
            main = MixSource(
                book: book, mix: mix, exptime: plan.exptime, keysPerGet: plan.keysPerGet,
                hasQuietSets: plan.hasQuietSets, seed: seed)
        case .sessions(let bots):
            let keys = plan.keyFormat
            let node = dealing.node(ofConnection: connection)
            let numbers = SessionNumbers(
                step: UInt64(plan.keyCount), botStep: UInt64(plan.connectionCount),
                connection: UInt64(connection)
            ) { number in
                dealing.placement.nodeCount == 1
                    || dealing.placement.node(of: keys.key(number)) == node
            }
            main = SessionSource(
                people: book, exptime: plan.exptime, bots: bots, seed: seed, numbers: numbers,
                noteLost: { if tally.start != nil { tally.lostSessionCount += 1 } })
        }
    }
}

/// The numbers of sessions' keys on one connection: no other has them, and all are on its node.
struct SessionNumbers {
    /// Those of bots begin here; those of people never come so far.
    private static let firstBot: UInt64 = 1_000_000_000_000_000

    /// Between a person's sessions, and between a connection's bots.
    let step: UInt64
    let botStep: UInt64
    let connection: UInt64
    let isHere: (UInt64) -> Bool
    private var botCount: UInt64 = 0

    init(step: UInt64, botStep: UInt64, connection: UInt64, isHere: @escaping (UInt64) -> Bool) {
        self.step = step
        self.botStep = botStep
        self.connection = connection
        self.isHere = isHere
    }

    /// Of a person's next session.
    func next(after last: UInt64) -> UInt64 {
        var next = last + step
        while !isHere(next) { next += step }
        return next
    }

    mutating func nextBot() -> UInt64 {
        while true {
            let number = Self.firstBot + botCount * botStep + connection
            botCount += 1
            if isHere(number) { return number }
        }
    }
}

/// Nothing to do.
private final class NoSource: RequestSource {
    func draw(at second: UInt32, into asked: inout RingBuffer<Asked>) -> Request? { nil }
    func noteMiss(_ asked: Asked, _ operation: Operation, wasCertain: Bool) {}
}
