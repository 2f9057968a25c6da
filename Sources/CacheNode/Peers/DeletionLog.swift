import Cluster
import SessionMap

/// What is remembered of deleted keys, in a file beside the memory file: a member that restarts while another is away
/// still knows what that one must not bring back.
///
/// The file has two halves. One is written to its end; then all that still counts goes to the other one, whose header
/// is written last. A death at any moment leaves one that can be read, to its first entry that does not fit together.
///
///     header   magic (8) · generation (8) · cluster (8) · arena ID (16)
///     entry    check (8), over the rest and the generation · entry's length (2) · kind · key's length
///              made (4) · birth (4) · version (8) · key
final class DeletionLog {
    struct Entry: Equatable {
        enum Kind: UInt8 {
            case deletion = 1
            /// See `NodeStore.remember`. Of the arena's own items: without them it means nothing.
            case change = 2
            /// A deletion whose key cannot be stored again for a while.
            case fencedDeletion = 3
        }

        var kind: Kind
        var tombstone: Tombstones.Tombstone
    }

    private let file: LockedFile
    private let cluster: UInt64
    private let arenaID: [UInt64]
    private let halfByteCount: Int
    private var generation: UInt64 = 0
    /// Of the half that is written to.
    private var position = 0
    /// Whether writing has failed, for want of room as a rule: the rest is remembered by this process alone.
    private(set) var isBroken = false

    private static let magic: UInt64 = 0x534A_4445_4C45_5431
    private static let headerByteCount = 40
    private static let entryByteCount = 28
    static let halfByteCountMin = 256 << 10

    /// - Parameters:
    ///   - cluster: another cluster's deletions mean nothing.
    ///   - arenaID: that of the memory file, two numbers.
    init(
        _ path: String, cluster: UInt64, arenaID: [UInt64], halfByteCount: Int
    ) throws(NodeError) {
        precondition(arenaID.count == 2)
        file = try LockedFile.ours(path)
        self.cluster = cluster
        self.arenaID = arenaID
        self.halfByteCount = max(halfByteCount, Self.halfByteCountMin)
    }

    private var start: Int { generation % 2 == 0 ? 0 : halfByteCount }

    // MARK: Reading

    /// What an earlier process has left, in the order in which it was written. To be called once, before anything is
    /// written.
    func load() -> [Entry] {
        var found: [Entry] = []
        let halves = [0, 1].map { read(from: $0 * halfByteCount) }
        for (number, half) in halves.enumerated() {
            guard half.count >= Self.headerByteCount, Self.word(half, 0) == Self.magic,
                Self.word(half, 16) == cluster, Self.word(half, 8) % 2 == UInt64(number),
                Self.word(half, 8) > generation
            else { continue }
            generation = Self.word(half, 8)
            let isSameArena = [Self.word(half, 24), Self.word(half, 32)] == arenaID
            found = entries(half).filter { isSameArena || $0.kind != .change }
        }
        // Goes on in the other half: what comes behind the last entry here may be of any kind.
        rewrite(found)
        return found
    }

    private func read(from offset: Int) -> [UInt8] {
        file.read(byteCountMax: halfByteCount, from: offset)
    }

    private func entries(_ half: [UInt8]) -> [Entry] {
        var entries: [Entry] = []
        var position = Self.headerByteCount
        while position + Self.entryByteCount < half.count {
            let byteCount = Int(half[position + 8]) | Int(half[position + 9]) << 8
            guard byteCount > Self.entryByteCount, position + byteCount <= half.count,
                Int(half[position + 11]) == byteCount - Self.entryByteCount,
                let kind = Entry.Kind(rawValue: half[position + 10])
            else { break }
            let bytes = half[position..<position + byteCount]
            guard Self.word(half, position) == check(bytes.dropFirst(8)) else { break }
            entries.append(
                Entry(
                    kind: kind,
                    tombstone: Tombstones.Tombstone(
                        key: Array(bytes.dropFirst(Self.entryByteCount)),
                        stamp: Stamp(
                            birth: UInt32(truncatingIfNeeded: Self.word(half, position + 12) >> 32),
                            version: Self.word(half, position + 20)),
                        madeSeconds: UInt32(truncatingIfNeeded: Self.word(half, position + 12)))))
            position += byteCount
        }
        return entries
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
        bytes[offset..<offset + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private func check(_ bytes: some Collection<UInt8>) -> UInt64 {
        Array(bytes).withUnsafeBytes { SessionMap.hash($0, seed: generation) }
    }

    // MARK: Writing

    /// Whether an entry still fits: else `rewrite` comes first.
    func hasRoom(for tombstone: Tombstones.Tombstone) -> Bool {
        position + Self.entryByteCount + tombstone.key.count <= halfByteCount
    }

    func append(_ entry: Entry) {
        guard !isBroken, hasRoom(for: entry.tombstone) else { return }
        let bytes = self.bytes(of: entry)
        if write(bytes, at: start + position) { position += bytes.count }
    }

    /// Writes all that still counts to the other half. Of more than three quarters of it the oldest go.
    func rewrite(_ entries: [Entry]) {
        generation += 1
        var kept: [[UInt8]] = []
        var byteCount = Self.headerByteCount
        for entry in entries.sorted(by: { $0.tombstone.madeSeconds > $1.tombstone.madeSeconds }) {
            let bytes = bytes(of: entry)
            guard byteCount + bytes.count <= halfByteCount / 4 * 3 else { break }
            byteCount += bytes.count
            kept.append(bytes)
        }
        let body = kept.reversed().flatMap(\.self)
        position = byteCount
        guard write(body, at: start + Self.headerByteCount) else { return }
        var header: [UInt8] = []
        for word in [Self.magic, generation, cluster] + arenaID { Self.append(word, to: &header) }
        _ = write(header, at: start)
    }

    private func bytes(of entry: Entry) -> [UInt8] {
        let tombstone = entry.tombstone
        let byteCount = Self.entryByteCount + tombstone.key.count
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        Self.append(UInt16(byteCount), to: &bytes)
        bytes.append(entry.kind.rawValue)
        bytes.append(UInt8(truncatingIfNeeded: tombstone.key.count))
        Self.append(tombstone.madeSeconds, to: &bytes)
        Self.append(tombstone.stamp.birth, to: &bytes)
        Self.append(tombstone.stamp.version, to: &bytes)
        bytes += tombstone.key
        var whole: [UInt8] = []
        whole.reserveCapacity(byteCount)
        Self.append(check(bytes), to: &whole)
        return whole + bytes
    }

    private static func append<Number: FixedWidthInteger>(
        _ number: Number, to bytes: inout [UInt8]
    ) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private func write(_ bytes: [UInt8], at offset: Int) -> Bool {
        let isWritten = file.write(bytes, at: offset)
        if !isWritten { isBroken = true }
        return isWritten
    }
}
