/// What a value looks like, by its first bytes: for an operator whose rule finds nobody.
package enum ValueKind: Int, CaseIterable, Sendable {
    case empty
    case phpPlain, phpSerialize, igbinary
    case json
    case pickle
    case marshal, railsEntry, railsEntryCompressed
    case sojourn, sojournEncrypted
    case compressed
    case laravelEncrypted, railsEncrypted
    case base64, number, text, binary

    /// As a word of a result.
    package var name: String {
        switch self {
        case .empty: "empty"
        case .phpPlain: "php"
        case .phpSerialize: "php_serialize"
        case .igbinary: "igbinary"
        case .json: "json"
        case .pickle: "pickle"
        case .marshal: "marshal"
        case .railsEntry: "rails_entry"
        case .railsEntryCompressed: "rails_entry_compressed"
        case .sojourn: "sojourn"
        case .sojournEncrypted: "sojourn_encrypted"
        case .compressed: "compressed"
        case .laravelEncrypted: "laravel_encrypted"
        case .railsEncrypted: "rails_encrypted"
        case .base64: "base64"
        case .number: "number"
        case .text: "text"
        case .binary: "binary"
        }
    }

    var trouble: ValueTrouble? {
        switch self {
        case .compressed, .railsEntryCompressed: .compressed
        case .laravelEncrypted, .railsEncrypted, .sojournEncrypted: .encrypted
        default: nil
        }
    }

    /// So many bytes are looked at.
    package static let byteCountMax = 256

    /// - Parameter head: the value's first bytes, all of them if it is short.
    package init(_ head: UnsafeRawBufferPointer, clientFlags: UInt32, isWhole: Bool) {
        let first: UInt8? = head.first
        guard let first else {
            self = .empty
            return
        }
        if Self.isCompressed(head) {
            self = .compressed
        } else if head.starts(with: IgbinaryReading.header) {
            self = .igbinary
        } else if head.starts(with: [0x00, 0x11]), head.count >= 15 {
            self = head[2] & 0x80 == 0 ? .railsEntry : .railsEntryCompressed
        } else if head.starts(with: [0x00, 0x04, 0x08])
            || head.starts(with: Array("\u{4}\u{8}o: ActiveSupport::Cache::Entry".utf8))
        {
            self = .railsEntry
        } else if head.starts(with: [0x01, 0x78]) {
            self = .railsEntryCompressed
        } else if head.starts(with: MarshalReading.header) {
            self = .marshal
        } else if first == 0x80, head.count > 1, head[1] <= 5 {
            self = .pickle
        } else if first == 1, head.count > 9, head[9] == UInt8(ascii: "{") {
            self = .sojourn
        } else if first == 2, head.count >= 41 {
            self = .sojournEncrypted
        } else if clientFlags & 0x10 != 0, clientFlags & 0xE0 != 0 {
            // As php-memcached says it.
            self = .compressed
        } else {
            self = Self.ofText(head, isWhole: isWhole)
        }
    }

    /// zlib's, gzip's and Zstandard's beginnings.
    private static func isCompressed(_ head: UnsafeRawBufferPointer) -> Bool {
        guard head.count > 3 else { return false }
        let isZlib =
            head[0] == 0x78 && [0x01, 0x5E, 0x9C, 0xDA].contains(head[1])
            && (Int(head[0]) << 8 | Int(head[1])) % 31 == 0
        return isZlib || head[0] == 0x1F && head[1] == 0x8B
            || head.starts(with: [0x28, 0xB5, 0x2F, 0xFD])
    }

    private static func ofText(_ head: UnsafeRawBufferPointer, isWhole: Bool) -> ValueKind {
        // {"iv":" in base64.
        if head.starts(with: "eyJpdiI6I".utf8) { return .laravelEncrypted }
        let words = head.filter { $0 > 32 }
        if words.first == UInt8(ascii: "{") || words.first == UInt8(ascii: "[") { return .json }
        let head = Array(head)
        if head.starts(with: "a:".utf8),
            let colon = head.dropFirst(2).firstIndex(of: UInt8(ascii: ":")),
            head[2..<colon].allSatisfy({ $0 &- UInt8(ascii: "0") < 10 })
        {
            return .phpSerialize
        }
        if let bar = head.firstIndex(of: UInt8(ascii: "|")), bar + 2 < head.count,
            "abdisONC".utf8.contains(head[bar + 1]), ":;".utf8.contains(head[bar + 2])
        {
            return .phpPlain
        }
        let isText = head.allSatisfy { $0 >= 32 && $0 != 127 || $0 == 9 || $0 == 10 || $0 == 13 }
        guard isText else { return .binary }
        if isWhole, head.count <= 20, head.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }) {
            return .number
        }
        // base64, which may be what a client has encrypted; with two more parts, as `data--iv--tag`, it is.
        let base64 = head.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"),
                UInt8(ascii: "="), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard base64 else { return .text }
        if isWhole, String(decoding: head, as: UTF8.self).split(separator: "--").count == 3 {
            return .railsEncrypted
        }
        return head.count >= 32 ? .base64 : .text
    }
}
