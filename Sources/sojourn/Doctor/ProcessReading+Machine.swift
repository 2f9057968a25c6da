import Glibc

/// What `/proc` and `/sys` tell of a node's process on this machine.
extension ProcessReading {
    /// Nil if there is no such process of ours here: a number alone may be one of another machine's.
    ///
    /// - Parameter memoryFile: as the node calls it.
    init?(processID: Int, memoryFile: String?) {
        let folder = "/proc/\(processID)"
        guard Self.text("\(folder)/comm")?.hasPrefix("sojournd") == true else { return nil }
        if let limits = Self.text("\(folder)/limits") {
            descriptorLimit = Self.limit("Max open files", in: limits)
            coreLimit = Self.limit("Max core file size", in: limits) ?? .max
        }
        let status = Self.fields("\(folder)/status")
        userID = status["Uid"].flatMap { $0.split(whereSeparator: \.isWhitespace).first }
            .flatMap { Int($0) }
        swappedByteCount = Self.kilobytes(status["VmSwap"])
        oomScoreAdjustment = Self.number("\(folder)/oom_score_adj")
        memoryMax = Self.memoryMax(of: Self.text("\(folder)/cgroup") ?? "")
        availableByteCount = Self.kilobytes(Self.fields("/proc/meminfo")["MemAvailable"])
        backlogMax = Self.number("/proc/sys/net/core/somaxconn")
        overcommit = Self.number("/proc/sys/vm/overcommit_memory")
        hugePages = Self.text("/sys/kernel/mm/transparent_hugepage/enabled")
            .flatMap { $0.split(separator: "[").last?.split(separator: "]").first }.map(String.init)
        hadByteCount = Self.kilobytes(status["VmRSS"])
        guard let memoryFile else { return }
        // As the process sees it; that needs its user, or root.
        let isAbsolute = memoryFile.hasPrefix("/")
        let seen = isAbsolute ? "\(folder)/root\(memoryFile)" : "\(folder)/cwd/\(memoryFile)"
        let path = access(seen, F_OK) == 0 ? seen : memoryFile
        let mounts = Self.text("\(folder)/mountinfo") ?? ""
        file = FileSystemReading(
            path: path, name: Self.resolved(isAbsolute ? memoryFile : seen), mounts: mounts)
        var found = stat()
        guard let file, stat(path, &found) == 0 else { return }
        hadByteCount =
            file.kind == .memory ? max(hadByteCount ?? 0, Int(found.st_blocks) * 512) : nil
    }

    /// Without links and relative parts, if it is there.
    private static func resolved(_ path: String) -> String {
        guard let place = realpath(path, nil) else { return path }
        defer { free(place) }
        return String(cString: place)
    }

    /// The soft one; nil is none.
    private static func limit(_ name: String, in limits: String) -> Int? {
        let line = limits.split(separator: "\n").first { $0.hasPrefix(name) }
        return line.flatMap { $0.dropFirst(name.count).split(separator: " ").first }.flatMap {
            Int($0)
        }
    }

    /// The least of all groups above it (version 2).
    private static func memoryMax(of groups: String) -> Int? {
        guard let line = groups.split(separator: "\n").first(where: { $0.hasPrefix("0::") }) else {
            return nil
        }
        var path = line.dropFirst(3)
        var least: Int?
        while !path.isEmpty {
            if let most = number("/sys/fs/cgroup\(path)/memory.max") {
                least = min(least ?? most, most)
            }
            guard let slash = path.lastIndex(of: "/") else { break }
            path = path[..<slash]
        }
        return least
    }

    private static func fields(_ path: String) -> [String: Substring] {
        var fields: [String: Substring] = [:]
        for line in (text(path) ?? "").split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[String(line[..<colon])] = line[line.index(after: colon)...]
        }
        return fields
    }

    private static func kilobytes(_ field: Substring?) -> Int? {
        field.flatMap { $0.split(whereSeparator: \.isWhitespace).first }.flatMap { Int($0) }
            .map { $0 << 10 }
    }

    private static func number(_ path: String) -> Int? {
        text(path).flatMap { Int($0.prefix { !$0.isWhitespace }) }
    }

    private static let byteCountMax = 65_536

    private static func text(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: byteCountMax)
        var count = 0
        while count < bytes.count {
            let part = bytes.withUnsafeMutableBytes {
                read(descriptor, $0.baseAddress.map { $0 + count }, $0.count - count)
            }
            guard part > 0 else { break }
            count += part
        }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}

extension FileSystemReading {
    /// - Parameters:
    ///   - path: where it can be looked at.
    ///   - name: what the process calls it.
    ///   - mounts: the process's `mountinfo`.
    init?(path: String, name: String, mounts: String) {
        var found = statvfs()
        guard statvfs(path, &found) == 0, let type = Self.type(of: name, mounts: mounts) else {
            return nil
        }
        kind = Self.kind(ofType: type)
        freeByteCount = Int(found.f_bavail) * Int(found.f_frsize)
    }

    /// That of the mount with the longest path above it; of several at one place the last one hides the others.
    static func type(of path: String, mounts: String) -> String? {
        var best: (length: Int, type: String)?
        for line in mounts.split(separator: "\n") {
            let words = line.split(separator: " ")
            // ID, parent, device, root, mount point, options, some more, "-", type.
            guard words.count > 7, let dash = words.firstIndex(of: "-"), dash + 1 < words.count
            else { continue }
            let place = String(words[4]).replacing("\\040", with: " ")
            let isAbove = place == "/" || path == place || path.hasPrefix(place + "/")
            if isAbove, place.utf8.count >= best?.length ?? 0 {
                best = (place.utf8.count, String(words[dash + 1]))
            }
        }
        return best?.type
    }

    static func kind(ofType type: String) -> Kind {
        switch type {
        case "tmpfs", "ramfs", "devtmpfs", "hugetlbfs": .memory
        case "overlay", "aufs": .layer
        case "cifs", "9p", "ceph", "afs", "lustre", "ocfs2", "gfs2", "virtiofs": .network(type)
        case _ where ["nfs", "smb", "fuse", "gluster"].contains { type.hasPrefix($0) }:
            .network(type)
        default: .disk
        }
    }
}

/// Which addresses are this machine's.
enum OwnAddresses {
    static func has(_ host: String) -> Bool {
        if NodeReading.isLoopback(host) { return true }
        var name = [CChar](repeating: 0, count: 256)
        if gethostname(&name, name.count - 1) == 0,
            String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                == host
        {
            return true
        }
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return false }
        defer { freeifaddrs(first) }
        var next = first
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard let address = entry.ifa_addr else { continue }
            let family = Int32(address.pointee.sa_family)
            guard family == AF_INET || family == AF_INET6 else { continue }
            let size =
                family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            guard
                getnameinfo(
                    address, socklen_t(size), &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
                    == 0
            else { continue }
            let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            if String(decoding: bytes, as: UTF8.self) == host { return true }
        }
        return false
    }
}
