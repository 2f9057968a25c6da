/// One thing that is looked at, of a node: a name that stays, and a rule without input or output.
struct Check: Sendable {
    let name: String
    /// Nil where all is well, or where nothing can be told.
    let look: @Sendable (NodeReading) -> Finding?

    init(_ name: String, _ look: @escaping @Sendable (NodeReading) -> Finding?) {
        self.name = name
        self.look = look
    }

    /// All of a node, in the order in which they are told.
    static let all = memory + connections + safety + cluster + machine
}

/// One thing that is looked at, of all nodes beside one another.
struct ClusterCheck: Sendable {
    let name: String
    let look: @Sendable (ClusterReading) -> [Finding]

    init(_ name: String, _ look: @escaping @Sendable (ClusterReading) -> [Finding]) {
        self.name = name
        self.look = look
    }
}

/// Numbers in sentences.
enum DoctorText {
    static func megabytes(_ byteCount: Int) -> String { "\(byteCount / 1_048_576) MB" }
    static func percent(_ part: Int, of whole: Int) -> Int { whole > 0 ? part * 100 / whole : 0 }
    static func days(_ seconds: Int) -> String {
        seconds < 172_800 ? "\(max(0, seconds) / 3_600) hours" : "\(seconds / 86_400) days"
    }
}
