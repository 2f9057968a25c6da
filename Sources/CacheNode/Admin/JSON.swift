import Glibc

/// A document of the operator's port, as it is put together. Members keep their order.
indirect enum JSON {
    case number(Double)
    case count(Int)
    case text(String)
    case flag(Bool)
    case list([JSON])
    case object([(String, JSON)])
    case null

    /// Nothing is null.
    static func maybe(_ number: Double?) -> JSON { number.map { .number($0) } ?? .null }

    var text: String {
        var text = ""
        write(to: &text)
        return text
    }

    private func write(to text: inout String) {
        switch self {
        case .number(let number): text += Self.text(number)
        case .count(let count): text += String(count)
        case .text(let own): text += ResultLine.quoted(own)
        case .flag(let isOn): text += isOn ? "true" : "false"
        case .list(let parts):
            text += "["
            for (place, part) in parts.enumerated() {
                if place > 0 { text += "," }
                part.write(to: &text)
            }
            text += "]"
        case .object(let members):
            text += "{"
            for (place, member) in members.enumerated() {
                if place > 0 { text += "," }
                text += ResultLine.quoted(member.0)
                text += ":"
                member.1.write(to: &text)
            }
            text += "}"
        case .null: text += "null"
        }
    }

    /// With three digits behind the point at most, as they go out each second.
    static func text(_ number: Double) -> String {
        guard number.isFinite else { return "null" }
        let rounded = (number * 1_000).rounded() / 1_000
        if rounded == rounded.rounded(), abs(rounded) < 1e15 { return String(Int64(rounded)) }
        return String(rounded)
    }
}
