/// The first that each side of a link says of itself. 74 bytes, little endian:
///
///     "SJP1" · version (2) · purpose · role · from · to
///     cluster (8) · definition (8) · process (8) · item's bytes at most (8) · nonce (32)
///
/// Who dials is the member with the higher number, or a front:
///
///     dialler     greeting ->
///     acceptor    0 (welcome), greeting, proof ->      or the number of a refusal, and hangs up
///     dialler     proof, and whatever else it has to say ->
///
/// So it is settled after 107 bytes at most whether the other one is a peer. See `GreetingProof` for how.
///
/// The dialler offers its newest version, the acceptor's greeting has the one that the link will have: see
/// `WireVersions`. A greeting itself is the same in every version, or a later one could not be told what is spoken here.
package struct Greeting: Equatable, Sendable {
    package enum Purpose: UInt8, Sendable, CaseIterable {
        case frames = 1
        /// On a link of their own no long frame is before them.
        case statements = 2
        /// To hear which definition is gone by, and no more.
        case inquiry = 3
    }

    package enum Role: UInt8, Sendable, CaseIterable {
        case member = 1
        case front = 2
    }

    package static let nonceByteCount = 32
    package static let byteCount = 42 + nonceByteCount
    /// What an acceptor answers before its own greeting; else it is the number of a `GreetingRefusal`.
    package static let welcome: UInt8 = 0
    private static let magic: [UInt8] = Array("SJP1".utf8)

    /// What a dialler offers, or an acceptor has chosen.
    package var version: WireVersion
    package var purpose: Purpose
    package var role: Role
    /// The sender's number: of a member less than 64.
    package var from: UInt8
    /// The number of the member who is meant, or of the front that has dialled.
    package var to: UInt8
    /// FNV-1a of the cluster's name.
    package var cluster: UInt64
    /// Of all in the cluster's definition that placement depends on.
    package var definition: UInt64
    /// The sender's process, as in its statements.
    package var process: UInt64
    package var itemByteCountMax: UInt64
    /// Random, for this link alone.
    package let nonce: [UInt8]

    package init(
        version: WireVersion = .newest, purpose: Purpose, role: Role, from: UInt8, to: UInt8,
        cluster: UInt64, definition: UInt64,
        process: UInt64, itemByteCountMax: UInt64, nonce: [UInt8]
    ) {
        precondition(nonce.count == Self.nonceByteCount, "a nonce has 32 bytes")
        precondition(Self.isNumber(from, of: role), "a member's number is less than 64")
        self.version = version
        self.purpose = purpose
        self.role = role
        self.from = from
        self.to = to
        self.cluster = cluster
        self.definition = definition
        self.process = process
        self.itemByteCountMax = itemByteCountMax
        self.nonce = nonce
    }

    private static func isNumber(_ number: UInt8, of role: Role) -> Bool {
        role == .front || number < MemberSet.memberCountMax
    }

    package func append(to bytes: inout [UInt8]) {
        bytes.append(byteCount: Self.byteCount, in: version) { writer in
            writer.put(Self.magic)
            writer.put(version.rawValue)
            writer.put(purpose.rawValue)
            writer.put(role.rawValue)
            writer.put(from)
            writer.put(to)
            writer.put(cluster)
            writer.put(definition)
            writer.put(process)
            writer.put(itemByteCountMax)
            writer.put(nonce)
        }
    }

    /// What `bytes` begin with; nil if not all of it has come. Whatever does not begin as a greeting is told at
    /// once, and so is a version that is not spoken here.
    package static func decode(
        front bytes: some Collection<UInt8>,
        checkVersion: (WireVersion) throws(GreetingFailure) -> Void
    ) throws(GreetingFailure) -> Greeting? {
        let front = [UInt8](bytes.prefix(byteCount))
        guard zip(front, magic).allSatisfy(==) else {
            throw .garbled(
                "SJP1 was expected as a greeting's first bytes, \(front.prefix(4)) came")
        }
        guard front.count >= 6 else { return nil }
        let version = WireVersion(rawValue: UInt16(front[4]) | UInt16(front[5]) << 8)
        try checkVersion(version)
        guard front.count == byteCount else { return nil }
        do {
            return try front.withUnsafeBufferPointer { (front) throws(FrameError) in
                var reader = ByteReader(
                    UnsafeRawBufferPointer(front), of: "greeting", in: version)
                return try Greeting(decoding: &reader)
            }
        } catch { throw .garbled(error.description) }
    }

    private init(decoding reader: inout ByteReader) throws(FrameError) {
        // The magic, and the version, which was checked.
        _ = try reader.take(byteCount: 6)
        version = reader.version
        purpose = try reader.takeCase("purpose")
        role = try reader.takeCase("role")
        from = try reader.take()
        to = try reader.take()
        cluster = try reader.take()
        definition = try reader.take()
        process = try reader.take()
        itemByteCountMax = try reader.take()
        nonce = try reader.take(byteCount: Self.nonceByteCount)
        guard Self.isNumber(from, of: role) else {
            throw reader.bad("number", UInt64(from), expected: "less than 64")
        }
    }

    /// What the two sides of a link must have in common, whoever has dialled.
    ///
    /// - Parameter version: the link's. Who speaks 2 knows one definition, and no other one ever.
    func requireCommonGround(
        with peer: Greeting, in version: WireVersion
    ) throws(GreetingFailure) {
        try GreetingFailure.require(hash(cluster), hash(peer.cluster), or: .otherCluster)
        if version == .two {
            try GreetingFailure.require(
                hash(definition), hash(peer.definition), or: .otherDefinition)
        }
        try GreetingFailure.require(itemByteCountMax, peer.itemByteCountMax, or: .otherItemLimit)
    }

    private func hash(_ number: UInt64) -> String { String(number, radix: 16) }
}
