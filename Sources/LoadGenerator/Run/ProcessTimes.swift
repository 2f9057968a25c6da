import Glibc

/// CPU time in seconds, of this process or of another one on this machine.
package struct ProcessTimes: Sendable, Equatable {
    package var user: Double
    package var system: Double

    package init(user: Double, system: Double) {
        self.user = user
        self.system = system
    }

    package var total: Double { user + system }

    static func - (one: ProcessTimes, other: ProcessTimes) -> ProcessTimes {
        ProcessTimes(user: one.user - other.user, system: one.system - other.system)
    }

    static func ofThisProcess() -> ProcessTimes {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return ProcessTimes(user: seconds(usage.ru_utime), system: seconds(usage.ru_stime))
    }
}

/// The CPU clocks of some processes as the kernel keeps them: the sum to the nanosecond, how it splits
/// into user and system by what a timer's interrupt met.
struct ProcessClocks {
    private var nanoseconds: UInt64 = 0
    private var userTicks: UInt64 = 0
    private var systemTicks: UInt64 = 0

    init(of processIDs: [Int32]) throws(LoadError) {
        for processID in processIDs { try add(processID) }
    }

    private mutating func add(_ processID: Int32) throws(LoadError) {
        guard let stat = contents(of: "/proc/\(processID)/stat"),
            let name = stat.lastIndex(of: ")")
        else { throw .noProcess(processID) }
        // The state comes first after the name, user and system time as the 12th and 13th.
        let words = stat[stat.index(after: name)...].split(separator: " ")
        guard words.count > 12, let user = UInt64(words[11]), let system = UInt64(words[12]) else {
            throw .noProcess(processID)
        }
        userTicks += user
        systemTicks += system
        for task in names(in: "/proc/\(processID)/task") {
            let clocks = contents(of: "/proc/\(processID)/task/\(task)/schedstat")
            let first = clocks?.split(separator: " ").first
            nanoseconds += first.flatMap { UInt64($0) } ?? 0
        }
    }

    /// What the processes have used since `earlier`.
    func times(since earlier: ProcessClocks) -> ProcessTimes {
        let user = Double(userTicks - earlier.userTicks)
        let system = Double(systemTicks - earlier.systemTicks)
        guard nanoseconds > earlier.nanoseconds, user + system > 0 else {
            // No schedstat here: the ticks are all there is.
            let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
            return ProcessTimes(user: user / ticksPerSecond, system: system / ticksPerSecond)
        }
        let seconds = Double(nanoseconds - earlier.nanoseconds) / 1e9
        return ProcessTimes(
            user: seconds * user / (user + system), system: seconds * system / (user + system))
    }
}

private func contents(of path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 4_096)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
}

private func names(in directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if !name.hasPrefix(".") { names.append(name) }
    }
    return names
}
