import Reports

/// Why etcd has not said what was asked.
enum EtcdTrouble: Error, Equatable, CustomStringConvertible {
    /// No connection, or one that broke.
    case unreachable(String)
    case late(seconds: Double)
    /// It was asked wrongly, or by somebody who may not ask: a login may help.
    case refused(String)
    /// It cannot answer now.
    case unable(String)
    /// What etcd does not say.
    case nonsense(String)
    case tooLong
    /// What was to be told has been forgotten, up to this revision.
    case compacted(Int64)
    /// Nothing that etcd could help: a file that cannot be read or written.
    case ours(String)

    var isOurs: Bool { if case .ours = self { true } else { false } }

    var description: String {
        switch self {
        case .unreachable(let reason), .ours(let reason): reason
        case .late(let seconds): "no answer within \(seconds.shortest) s"
        case .refused(let reason): "refuses: \(reason)"
        case .unable(let reason): "cannot answer: \(reason)"
        case .nonsense(let text): "answers what etcd does not say: \(text)"
        case .tooLong: "answers with more than \(BoundedLines.byteCountMax) bytes at once"
        case .compacted(let revision):
            "has forgotten changes up to revision \(revision) (compaction); the key is read anew"
        }
    }
}

extension StringProtocol {
    /// Others' words, for a line of the log: at most 200 characters, none of which moves a terminal's cursor.
    var forLog: String {
        String(
            prefix(200).unicodeScalars.map { scalar in
                scalar.properties.generalCategory == .control ? "?" : Character(scalar)
            })
    }
}
