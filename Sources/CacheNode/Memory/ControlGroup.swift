import Glibc

/// What the control groups of this process allow it, read from the files of cgroup v2 or v1.
package enum ControlGroup {
    /// Processors' worth of time, rounded up; nothing where there is no quota.
    package static var processorCountMax: Int? {
        let quotas = texts(of: "cpu.max", controller: nil).compactMap { text -> Int? in
            // "QUOTA PERIOD" in microseconds, or "max PERIOD".
            let words = text.split(separator: " ")
            guard words.count == 2 else { return nil }
            return processors(quota: Int(words[0]), period: Int(words[1]))
        }
        let old = zip(
            texts(of: "cpu.cfs_quota_us", controller: "cpu"),
            texts(of: "cpu.cfs_period_us", controller: "cpu")
        ).compactMap { processors(quota: Int($0), period: Int($1)) }
        return (quotas + old).min()
    }

    private static func processors(quota: Int?, period: Int?) -> Int? {
        guard let quota, let period, quota > 0, period > 0 else { return nil }
        return max(1, (quota + period - 1) / period)
    }

    /// What the files of this name say, one line each: this process's group's first, then those of the
    /// groups around it. Those that are not there are left out.
    ///
    /// - Parameter controller: nothing for version 2, which has one hierarchy for all of them.
    package static func texts(of file: String, controller: String?) -> [String] {
        guard let group = path(controller: controller) else { return [] }
        let mount = "/sys/fs/cgroup" + (controller.map { "/" + $0 } ?? "")
        var texts: [String] = []
        var names = group.split(separator: "/")
        while true {
            // In a container the path may be the host's, and only the mount itself is there.
            let directory = ([Substring(mount)] + names).joined(separator: "/")
            if let text = firstLine(of: directory + "/" + file) { texts.append(text) }
            guard names.popLast() != nil else { return texts }
        }
    }

    /// Lines of /proc/self/cgroup are "0::/path" in version 2, "4:cpu,cpuacct:/path" in version 1.
    private static func path(controller: String?) -> Substring? {
        guard let stream = fopen("/proc/self/cgroup", "re") else { return nil }
        defer { fclose(stream) }
        var line = [CChar](repeating: 0, count: 4_096)
        while fgets(&line, Int32(line.count), stream) != nil {
            let text = Self.text(line)
            let parts = text.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let isWanted =
                controller.map { parts[1].split(separator: ",").contains(Substring($0)) }
                ?? (parts[0] == "0" && parts[1].isEmpty)
            if isWanted { return Substring(String(parts[2])) }
        }
        return nil
    }

    private static func firstLine(of path: String) -> String? {
        guard let stream = fopen(path, "re") else { return nil }
        defer { fclose(stream) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, Int32(line.count), stream) != nil else { return nil }
        return text(line)
    }

    /// Up to the line's end.
    private static func text(_ line: [CChar]) -> String {
        let bytes = line.prefix { $0 != 0 && $0 != CChar(bitPattern: UInt8(ascii: "\n")) }
        return String(decoding: bytes.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
