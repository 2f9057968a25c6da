import ArgumentParser
import LoadGenerator
import MemcacheProtocol

/// What a load sends.
struct WorkOptions: ParsableArguments {
    enum Workload: String, ExpressibleByArgument, CaseIterable {
        case mix, sessions
    }

    @Option(help: "mix, or sessions: people and bots.") var workload = Workload.mix
    @Option(
        help: ArgumentHelp(
            "Operations and their parts, of get, set, touch, gat (the sliding read) and delete "
                + "(default get).", valueName: "get=90,set=10"))
    var mix: String?
    @Option(help: "Different keys; of sessions, people (default 10000).") var keys: Int?
    @Option(help: "What every key begins with.") var keyPrefix = LoadPlan().keyPrefix
    @Option(
        help: ArgumentHelp("Bytes of a key.", valueName: "size"),
        transform: { try Self.sizes("key-bytes", $0) })
    var keyBytes = ByteCounts.fixed(40)
    @Option(
        help: ArgumentHelp(
            "Bytes of a value (default 100; of sessions lognormal:1500,0.8).", valueName: "size"),
        transform: { try Self.sizes("value-bytes", $0) })
    var valueBytes: ByteCounts?
    @Option(help: "Where the sizes of values are cut: the server's item limit.")
    var valueBytesMax = 1_000_000
    @Option(help: "Keys of one get; with meta, quiet mg ended by mn.") var keysPerGet = 1
    @Option(
        help: """
            The exptime of what is stored, touched or slid: 0 leaves it there for ever (default 86400, and \
            the time to measure).
            """)
    var ttl: Int32?
    @Flag(help: "Sets without a reply, ended by mn (with --protocol meta).")
    var quietSets = false
    @Option(help: "How many times as many bots there are (of sessions).") var bots = 1
    @Flag(help: "A stored item that is gone is a miss like others: for nodes that must evict.")
    var allowMisses = false

    private static func sizes(_ name: String, _ text: String) throws -> ByteCounts {
        guard let counts = ByteCounts(text) else {
            throw ValidationError(
                "--\(name) must be a number, a range (100-900) or lognormal:MEDIAN,SIGMA with a "
                    + "median of 1 to 100000000 and a sigma of 0 to 4, not \(text)")
        }
        return counts
    }

    func apply(to plan: inout LoadPlan) throws {
        let keyCount = keys ?? 10_000
        let exptime = ttl ?? defaultExptime(plan)
        try check("keys", keyCount, 1...10_000_000)
        try check("keys-per-get", keysPerGet, 1...10_000)
        try check("ttl", exptime, 0...999_999_999)
        try check("bots", bots, 0...1_000)
        try check("value-bytes-max", valueBytesMax, 0...(1 << 27))
        plan.keyCount = keyCount
        plan.keysPerGet = keysPerGet
        plan.exptime = exptime
        plan.hasQuietSets = quietSets
        plan.toleratesMisses = allowMisses
        plan.valueByteCountMax = valueBytesMax
        plan.workload = try chosenWorkload()
        try applyKeys(to: &plan)
        try applyValues(to: &plan)
        try checkTogether(plan)
    }

    /// Long enough for the load, and not for ever: what it leaves goes by itself.
    private func defaultExptime(_ plan: LoadPlan) -> Int32 {
        guard case .seconds(let seconds) = plan.extent else { return 86_400 }
        return 86_400 + Int32(seconds)
    }

    private func chosenWorkload() throws -> LoadPlan.Workload {
        switch workload {
        case .sessions:
            guard mix == nil else {
                throw ValidationError("--mix is of --workload mix; sessions have their own")
            }
            return .sessions(bots: bots)
        case .mix:
            guard let parts = OperationMix(mix ?? "get") else {
                throw ValidationError(
                    "--mix must be operations with parts of 1 to 1000000, such as get=90,set=10, of "
                        + OperationMix.allowed.map(\.name).joined(separator: ", ")
                        + ", each at most once; not \(mix ?? "")")
            }
            return .mix(parts)
        }
    }

    private func applyKeys(to plan: inout LoadPlan) throws {
        guard !keyPrefix.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else {
            throw ValidationError("--key-prefix must not have spaces or control bytes")
        }
        plan.keyPrefix = keyPrefix
        plan.keyByteCounts = keyBytes
        let format = plan.keyFormat
        let digits = workload == .sessions ? 16 : String(plan.keyCount - 1).utf8.count
        let shortest = keyPrefix.utf8.count + digits
        let longest = ProtocolLimits.keyByteCountMax
        guard format.byteCountMin >= shortest, keyBytes.longest <= Double(longest) else {
            throw ValidationError(
                "--key-bytes must be \(shortest) (prefix and number) to \(longest), not \(keyBytes)"
            )
        }
    }

    private func applyValues(to plan: inout LoadPlan) throws {
        plan.valueByteCounts =
            valueBytes
            ?? (workload == .sessions ? .logNormal(median: 1_500, sigma: 0.8) : .fixed(100))
        if case .logNormal = plan.valueByteCounts { return }
        guard plan.valueByteCounts.longest <= Double(valueBytesMax) else {
            throw ValidationError(
                "--value-bytes must be at most --value-bytes-max, \(valueBytesMax), not "
                    + "\(plan.valueByteCounts)")
        }
    }

    private func checkTogether(_ plan: LoadPlan) throws {
        guard plan.isReadOnly || plan.keyCount >= plan.connectionCount else {
            throw ValidationError(
                "--keys must be at least --connections, \(plan.connectionCount), as each key that "
                    + "changes belongs to one; not \(plan.keyCount)")
        }
        guard plan.depth * plan.keysPerGet <= 1_000_000 else {
            throw ValidationError("--depth times --keys-per-get must be at most 1000000")
        }
        guard !quietSets || plan.wire == .meta else {
            throw ValidationError("--quiet-sets needs --protocol meta")
        }
        guard plan.wire != .echo || workload == .mix && mix == nil else {
            throw ValidationError(
                "--protocol echo has no operations: leave --mix and --workload out")
        }
        guard plan.wire != .echo || plan.valueByteCounts.shortest >= 1 else {
            throw ValidationError("--protocol echo needs --value-bytes of at least 1")
        }
    }
}
