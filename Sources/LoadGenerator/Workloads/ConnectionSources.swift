/// Where one connection's requests come from: those that store its keys, and those of the workload.
struct ConnectionSources {
    let fill: any RequestSource
    let main: any RequestSource

    /// Numbers of bots' sessions begin here; those of people never come so far.
    private static let firstBot: UInt64 = 1_000_000_000_000_000

    init(plan: LoadPlan, dealing: KeyDealing, connection: Int, tally: Tally) {
        let book = KeyBook(dealing.keys(ofConnection: connection))
        let seed = mixed(plan.seed) &+ UInt64(connection)
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
            let node = dealing.node(ofConnection: connection)
            let keys = plan.keyFormat
            let step = UInt64(plan.keyCount)
            let botStep = UInt64(plan.connectionCount)
            func isHere(_ number: UInt64) -> Bool {
                dealing.placement.nodeCount == 1
                    || dealing.placement.node(of: keys.key(number)) == node
            }
            var botOffset: UInt64 = 0
            main = SessionSource(
                people: book, exptime: plan.exptime, bots: bots, seed: seed,
                nextKey: { last in
                    var next = last + step
                    while !isHere(next) { next += step }
                    return next
                },
                botKey: { count in
                    func number() -> UInt64 {
                        Self.firstBot + (count + botOffset) * botStep + UInt64(connection)
                    }
                    while !isHere(number()) { botOffset += 1 }
                    return number()
                },
                noteLost: { if tally.start != nil { tally.lostSessionCount += 1 } })
        }
    }
}

/// Nothing to do.
private final class NoSource: RequestSource {
    func draw(at second: UInt32, into asked: inout RingBuffer<Asked>) -> Request? { nil }
    func noteMiss(_ asked: Asked, _ operation: Operation, wasCertain: Bool) {}
}
