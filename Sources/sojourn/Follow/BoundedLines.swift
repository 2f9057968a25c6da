/// Makes lines of bytes as they come. One without an end is not kept for ever.
struct BoundedLines {
    /// Of a line: a value in base64, and much around it. A watch may tell several changes in one line.
    static let byteCountMax = 4 << 20

    private var pending: [UInt8] = []
    private var queue: [[UInt8]] = []

    mutating func append(_ bytes: some Collection<UInt8>) throws(EtcdTrouble) {
        let parts = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if index > 0 { end() }
            guard pending.count + part.count <= Self.byteCountMax else { throw .tooLong }
            pending += part
        }
    }

    /// What has no end yet is a line, too.
    mutating func end() {
        if !pending.isEmpty { queue.append(pending) }
        pending = []
    }

    /// The lines since the last time that this was asked; empty ones are left out.
    mutating func take() -> [[UInt8]] {
        defer { queue = [] }
        return queue
    }
}
