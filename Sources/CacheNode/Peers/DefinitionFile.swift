import Cluster
import SessionMap

/// By which generation of the cluster's definition a node acted last, and whom it had given up, in a file beside the memory
/// file: what it has belongs to that.
///
/// The file has two places, which are written to by turns: a death at any moment leaves one that can be read.
///
///     magic (8) · check (8), over the rest · turn (8) · cluster (8) · two texts' counts of bytes (4, 4) · outlived (8)
///     memory (8) · texts
///
/// The second text is the generation before, as long as not everything is where it is to be by the first one; else it is
/// empty.
final class DefinitionFile {
    struct Content: Equatable {
        var acted: String
        var previous: String?
        /// Members that were gone on without: they have nothing later.
        var outlived: MemberSet = []
    }

    private let file: LockedFile
    private let cluster: UInt64
    private let memory: UInt64
    private var turn: UInt64 = 0

    private static let magic: UInt64 = 0x534A_4445_4649_4E32
    private static let headByteCount = 56
    private static let placeByteCount = headByteCount + 2 * PeerDefinition.textByteCountMax

    /// - Parameters:
    ///   - cluster: another cluster's definitions mean nothing.
    ///   - memory: what the node has: who was gone on without may have something later than another memory.
    init(_ path: String, cluster: UInt64, memory: UInt64) throws(NodeError) {
        file = try LockedFile.ours(path)
        self.cluster = cluster
        self.memory = memory
    }

    /// What an earlier process has left. To be called once, before anything is written.
    func load() -> Content? {
        var latest: Content?
        for place in 0..<2 {
            guard let (turn, content) = read(from: place * Self.placeByteCount), turn > self.turn
            else { continue }
            self.turn = turn
            latest = content
        }
        return latest
    }

    private func read(from offset: Int) -> (turn: UInt64, Content)? {
        let bytes = file.read(byteCountMax: Self.placeByteCount, from: offset)
        guard bytes.count >= Self.headByteCount, Self.word(bytes, 0) == Self.magic,
            Self.word(bytes, 24) == cluster
        else { return nil }
        let counts = Self.word(bytes, 32)
        let (first, second) = (Int(counts & 0xFFFF_FFFF), Int(counts >> 32))
        let end = Self.headByteCount + first + second
        guard max(first, second) <= PeerDefinition.textByteCountMax, end <= bytes.count,
            Self.word(bytes, 8) == Self.check(bytes[16..<end]),
            let acted = String(
                validating: bytes[Self.headByteCount..<Self.headByteCount + first], as: UTF8.self),
            let previous = String(
                validating: bytes[Self.headByteCount + first..<end], as: UTF8.self)
        else { return nil }
        return (
            Self.word(bytes, 16),
            Content(
                acted: acted, previous: previous.isEmpty ? nil : previous,
                outlived: MemberSet(bits: Self.word(bytes, 48) == memory ? Self.word(bytes, 40) : 0)
            )
        )
    }

    /// False if it could not be written.
    func store(_ content: Content) -> Bool {
        turn += 1
        let (acted, previous) = (Array(content.acted.utf8), Array((content.previous ?? "").utf8))
        precondition(max(acted.count, previous.count) <= PeerDefinition.textByteCountMax)
        var rest: [UInt8] = []
        rest.reserveCapacity(Self.headByteCount + acted.count + previous.count)
        let counts = UInt64(acted.count) | UInt64(previous.count) << 32
        for word in [turn, cluster, counts, content.outlived.bits, memory] {
            Self.append(word, to: &rest)
        }
        rest += acted
        rest += previous
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16 + rest.count)
        Self.append(Self.magic, to: &bytes)
        Self.append(Self.check(rest), to: &bytes)
        bytes += rest
        return file.write(bytes, at: turn % 2 == 0 ? 0 : Self.placeByteCount)
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
        bytes[offset..<offset + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private static func check(_ bytes: some Collection<UInt8>) -> UInt64 {
        Array(bytes).withUnsafeBytes { SessionMap.hash($0, seed: magic) }
    }
}
