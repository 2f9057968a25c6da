import MemcacheProtocol

/// A key that was listed, as it is called where it comes from.
struct ListedKey: Equatable {
    /// Which of the servers has it.
    var server: Int
    var key: [UInt8]
    /// Where only the list tells it.
    var time = DumpLine.Time.unknown
}

/// An item as it goes over the wire, whosever.
struct MovedItem: Equatable {
    var value: [UInt8]
    var clientFlags: UInt32 = 0
    /// How long it has to live; nothing for ever.
    var secondsLeft: Int64?

    /// Items that came to nothing on their way.
    enum Reading: Equatable {
        case item(MovedItem)
        /// It is not there any more.
        case gone
        /// It is there, and cannot be moved.
        case unfit(String)
    }
}

/// A key as it is written in a line: in base64 where no line could have it.
struct LineKey {
    let text: [UInt8]
    let isEncoded: Bool

    /// Nothing for a key that is too long, encoded or not.
    init?(_ key: [UInt8]) {
        guard !key.isEmpty, key.count <= ProtocolLimits.keyByteCountMax else { return nil }
        isEncoded = key.contains { $0 <= 32 || $0 == 127 }
        guard isEncoded else {
            text = key
            return
        }
        guard Base64.encodedByteCount(ofByteCount: key.count) <= ProtocolLimits.keyByteCountMax
        else {
            return nil
        }
        var text: [UInt8] = []
        Base64.encode(key.span) { text.append($0) }
        self.text = text
    }
}

/// Where items come from.
protocol ItemSource: AnyObject {
    /// For people.
    var name: String { get }

    /// Hands over each key that is there, once or more.
    func list(_ body: (ListedKey) throws -> Void) throws

    /// Reads items, in the order of their keys.
    func read(_ keys: [ListedKey]) throws -> [MovedItem.Reading]
}
