import CacheNode

extension Settings {
    /// `--check-config`: looks into the files that the configuration names, too, as far as that changes nothing.
    ///
    /// - Returns: what it comes to, for whoever wrote it.
    func checked(_ path: String) throws(Refusal) -> String {
        do throws(NodeError) {
            try node.check()
        } catch {
            throw Refusal("\(path): \(error)")
        }
        let megabytes = node.spaces.reduce(0) { $0 + $1.memoryByteCount >> 20 }
        var lines = ["\(path) is right: \(node.spaces.count) spaces, \(megabytes) MB"]
        for space in node.spaces {
            let places = space.places.map(\.description).joined(separator: ", ")
            let file = space.memoryFile.map { "file \($0)" } ?? "no memory file"
            lines.append(
                "  \(space.name): \(space.memoryByteCount >> 20) MB, \(file), "
                    + "\(space.connectionCountMax) connections, on \(places)")
        }
        return lines.joined(separator: "\n")
    }
}
