import Glibc

/// Whether the memory that a node will take fits in what its control groups allow.
///
/// Beyond that the kernel ends the process by SIGKILL, without a word; of a file on tmpfs at the start,
/// where its pages are taken, and of ordinary memory when sessions come.
struct MemoryBudget {
    /// The least limit of the groups around this process; nothing without one.
    let limitByteCount: Int?
    /// What may go to swap besides.
    let swapByteCount: Int

    /// What a node takes beside its arena, at the least.
    static let besidesArenaByteCount = 32 << 20
    /// Version 1 says so much where there is no limit, or a little less.
    private static let unlimited = Int.max / 2

    static func ofThisProcess() -> MemoryBudget {
        MemoryBudget(
            limits: ControlGroup.texts(of: "memory.max", controller: nil)
                + ControlGroup.texts(of: "memory.limit_in_bytes", controller: "memory"),
            swapLimits: ControlGroup.texts(of: "memory.swap.max", controller: nil),
            limitsWithSwap: ControlGroup.texts(
                of: "memory.memsw.limit_in_bytes", controller: "memory"),
            freeSwapByteCount: freeSwapByteCount())
    }

    /// - Parameters: texts as the kernel shows them.
    init(
        limits: [String], swapLimits: [String], limitsWithSwap: [String], freeSwapByteCount: Int
    ) {
        let limit = Self.least(limits)
        var swap = min(freeSwapByteCount, Self.least(swapLimits) ?? .max)
        if let both = Self.least(limitsWithSwap) {
            swap = min(swap, max(0, both - (limit ?? both)))
        }
        limitByteCount = limit
        swapByteCount = swap
    }

    private static func least(_ texts: [String]) -> Int? {
        texts.compactMap { Int($0) }.filter { $0 < unlimited }.min()
    }

    private static func freeSwapByteCount() -> Int {
        guard let stream = fopen("/proc/meminfo", "re") else { return 0 }
        defer { fclose(stream) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, Int32(line.count), stream) != nil {
            let text = String(
                decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            // "SwapFree:       1234 kB"
            let words = text.split(separator: " ")
            if words.count > 1, words[0] == "SwapFree:" { return (Int(words[1]) ?? 0) << 10 }
        }
        return 0
    }

    /// What is wrong with an arena of so many bytes, if anything is; for whoever chose its size.
    func shortage(arenaByteCount: Int) -> String? {
        guard let limitByteCount else { return nil }
        let allowed = limitByteCount.addingReportingOverflow(swapByteCount)
        let wanted = arenaByteCount + Self.besidesArenaByteCount
        guard !allowed.overflow, wanted > allowed.partialValue else { return nil }
        let most = max(0, allowed.partialValue - Self.besidesArenaByteCount) >> 20
        return
            "-m \(arenaByteCount >> 20) and \(Self.besidesArenaByteCount >> 20) MB for the process "
            + "do not fit in the \(limitByteCount >> 20) MB of memory that its control group allows "
            + "(and \(swapByteCount >> 20) MB of swap): the kernel would kill the node; give it "
            + "-m \(most) at most, or a higher limit"
    }
}
