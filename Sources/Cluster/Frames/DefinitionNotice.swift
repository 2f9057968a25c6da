/// What a node says of a generation of the cluster's definition, with or without its text.
///
/// The state machine knows generations by their numbers; texts are the nodes' business.
package struct DefinitionNotice: Equatable, Sendable {
    /// What it is to the sender.
    package enum Use: UInt8, Sendable, CaseIterable {
        case known = 0
        /// It is acted by, and not everything is where it is to be.
        case acted = 1
        case settled = 2
    }

    package var generation: UInt64
    /// Of all that placement depends on. Two definitions of one generation that differ in it are a mistake.
    package var hash: UInt64
    /// Of what is the same in every generation.
    package var rulesHash: UInt64
    package var use: Use
    /// UTF-8; empty where it is not told.
    package var text: [UInt8]

    package init(
        generation: UInt64, hash: UInt64, rulesHash: UInt64, use: Use, text: [UInt8] = []
    ) {
        self.generation = generation
        self.hash = hash
        self.rulesHash = rulesHash
        self.use = use
        self.text = text
    }

    static let headByteCount = 32
    var byteCount: Int { Self.headByteCount + text.count }

    func encode(to writer: inout ByteWriter) {
        writer.put(generation)
        writer.put(hash)
        writer.put(rulesHash)
        writer.put(use.rawValue)
        writer.put(0 as UInt8)
        writer.put(0 as UInt16)
        writer.put(0 as UInt32)
        writer.put(text)
    }

    init(decoding reader: inout ByteReader) throws(FrameError) {
        generation = try reader.take()
        hash = try reader.take()
        rulesHash = try reader.take()
        use = try reader.takeCase("use")
        try reader.takeZero(UInt8.self)
        try reader.takeZero(UInt16.self)
        try reader.takeZero(UInt32.self)
        text = try reader.takeRest()
    }
}
