import Glibc

/// How far a move has come, in a file that the next run goes on from.
///
/// Lines of a word and its value. What was done since it was written last is done once more, which changes nothing.
struct MoveState: Equatable {
    /// What is moved where: a run that means something else is refused.
    var from: String
    var to: String
    /// Whether all keys are listed.
    var isListed = false
    /// In the list of keys: what is before it is done.
    var offset = 0
    var isOver = false
    var tally = MoveTally()

    private static let firstLine = "sojourn move 1"

    init(from: String, to: String) {
        self.from = from
        self.to = to
    }

    init?(_ text: String) {
        let lines = text.split(separator: "\n")
        guard lines.first == Self.firstLine[...] else { return nil }
        var values: [Substring: Substring] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count == 2 else { return nil }
            values[parts[0]] = parts[1]
        }
        guard let from = values["from"], let to = values["to"],
            let offset = values["offset"].flatMap({ Int($0) }),
            offset >= 0, values["end"] == "1"
        else { return nil }
        (self.from, self.to, self.offset) = (String(from), String(to), offset)
        isListed = values["complete"] == "1"
        isOver = values["over"] == "1"
        for count in MoveTally.Count.allCases {
            tally[count] = values["\(count.rawValue)"[...]].flatMap { Int($0) } ?? 0
        }
    }

    var text: String {
        var lines = [
            Self.firstLine, "from \(from)", "to \(to)", "complete \(isListed ? 1 : 0)",
            "offset \(offset)", "over \(isOver ? 1 : 0)",
        ]
        for count in MoveTally.Count.allCases { lines.append("\(count.rawValue) \(tally[count])") }
        return (lines + ["end 1"]).joined(separator: "\n") + "\n"
    }

    /// Another file takes the old one's place: a process that dies leaves one of them.
    func write(to path: String) throws {
        let next = path + ".next"
        guard let file = fopen(next, "w") else { throw Self.trouble(next) }
        let isWritten = fputs(text, file) >= 0
        guard fclose(file) == 0, isWritten, rename(next, path) == 0 else {
            throw Self.trouble(next)
        }
    }

    /// Nothing if there is no such file.
    static func read(_ path: String) throws -> MoveState? {
        guard let file = fopen(path, "r") else {
            guard errno == ENOENT else { throw trouble(path) }
            return nil
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = fread(&bytes, 1, bytes.count, file)
        guard let state = MoveState(String(decoding: bytes.prefix(count), as: UTF8.self)) else {
            throw MovingTrouble("\(path) is no state of a move: remove it, or name another file")
        }
        return state
    }

    private static func trouble(_ path: String) -> MovingTrouble {
        MovingTrouble("\(path): \(String(cString: strerror(errno)))")
    }
}

/// What has become of keys.
struct MoveTally: Equatable {
    enum Count: String, CaseIterable {
        case listed, stored, there, gone, refused, unfit, same, newer, lost, missing

        /// For people; nothing of a 0 is shown but of the first ones.
        var label: String {
            switch self {
            case .listed: "keys were listed"
            case .stored: "items were stored"
            case .there: "were there already"
            case .gone: "had expired or were deleted meanwhile"
            case .refused: "were refused by where they were to go"
            case .unfit: "cannot be moved"
            case .same: "compared: the same"
            case .newer: "compared: changed where they have gone to"
            case .lost: "compared: gone from both"
            case .missing: "compared: MISSING, or still where they were"
            }
        }
    }

    private var counts = [Int](repeating: 0, count: Count.allCases.count)
    /// Reasons, each with how often, and the first key.
    private(set) var reasons: [String: (count: Int, key: [UInt8])] = [:]

    private static let reasonCountMax = 20

    subscript(count: Count) -> Int {
        get { counts[Self.place(of: count)] }
        set { counts[Self.place(of: count)] = newValue }
    }

    private static func place(of count: Count) -> Int { Count.allCases.firstIndex(of: count) ?? 0 }

    mutating func note(_ count: Count, _ reason: String, key: [UInt8]) {
        self[count] += 1
        guard reasons[reason] != nil || reasons.count < Self.reasonCountMax else { return }
        reasons[reason, default: (0, key)].count += 1
    }

    static func == (one: MoveTally, other: MoveTally) -> Bool { one.counts == other.counts }

    /// Whether something that was there is not where it should be.
    var hasLosses: Bool { self[.refused] + self[.unfit] + self[.missing] > 0 }
}
