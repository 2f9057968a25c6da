/// All that goes over a link between members, once they have greeted each other.
package enum PeerMessage: Equatable, Sendable {
    case frame(PeerFrame)
    case statement(Statement)

    /// What it takes on the link, its header included.
    package func byteCount(in version: WireVersion) -> Int {
        switch self {
        case .frame(let frame): frame.byteCount(in: version)
        case .statement(let statement): statement.byteCount(in: version)
        }
    }

    /// - Parameter version: the link's.
    package func append(to bytes: inout [UInt8], in version: WireVersion) {
        switch self {
        case .frame(let frame): frame.append(to: &bytes, in: version)
        case .statement(let statement): statement.append(to: &bytes, in: version)
        }
    }
}

/// The body of a statement:
///
///     process (8) · time (8) · echo (8) · waits since (8) · hears (8) · clock (8)
///     standing · is ready · phase · stands in · clock's lead (4) · flushed (12) · agreed (8)
///     generation (8) · next (8) · is with (8)
extension Statement {
    private static func bodyByteCount(in version: WireVersion) -> Int {
        version == .two ? 76 : 100
    }

    /// What it takes on the link, its header included.
    package func byteCount(in version: WireVersion) -> Int {
        FrameHeader.byteCount + Self.bodyByteCount(in: version)
    }

    /// - Parameter version: the link's.
    package func append(to bytes: inout [UInt8], in version: WireVersion) {
        let count = Self.bodyByteCount(in: version)
        bytes.append(byteCount: FrameHeader.byteCount + count, in: version) { writer in
            FrameHeader(.statement, bodyByteCount: count).encode(to: &writer)
            writer.put(process)
            writer.put(time)
            writer.put(echo)
            writer.put(waitsSince)
            writer.put(hears.bits)
            writer.put(clock)
            writer.put(standing.rawValue)
            writer.put(isReady ? 1 as UInt8 : 0)
            writer.put(version == .two ? 0 : phase.rawValue)
            writer.put(version > .two && isStandingIn ? 1 as UInt8 : 0)
            writer.put(clockLeadMilliseconds)
            flushed.encode(to: &writer)
            writer.put(agreed)
            guard version > .two else { return }
            writer.put(generation)
            writer.put(next)
            writer.put(isWith.bits)
        }
    }

    init(decoding reader: inout ByteReader) throws(FrameError) {
        let process = try reader.take(UInt64.self)
        let time = try reader.takeMoment("time")
        let echo = try reader.takeMoment("echo")
        let waitsSince = try reader.takeMoment("waiting since")
        let hears = MemberSet(bits: try reader.take())
        let clock = try reader.takeMoment("clock")
        let standing: Standing = try reader.takeCase("standing")
        let isReady = try reader.takeBool("readiness")
        let phase: ChangePhase =
            reader.version > .two ? try reader.takeCase("phase") : try Self.noPhase(&reader)
        let isStandingIn =
            reader.version > .two ? try reader.takeBool("standing in") : try Self.no(&reader)
        let lead = try reader.take(UInt32.self)
        let flushed = try Stamp(decoding: &reader)
        let agreed = try reader.takeMoment("agreement")
        self.init(
            process: process, time: time, echo: echo, standing: standing, isReady: isReady,
            waitsSince: waitsSince, hears: hears, clock: clock, clockLeadMilliseconds: lead,
            flushed: flushed, agreed: agreed)
        // Who speaks 2 knows of no changes.
        guard reader.version > .two else {
            canKeep = false
            return
        }
        self.phase = phase
        self.isStandingIn = isStandingIn
        generation = try reader.take()
        next = try reader.take()
        guard next >= generation else {
            throw reader.bad("next generation", next, expected: "at least \(generation)")
        }
        isWith = MemberSet(bits: try reader.take())
    }
    private static func no(_ reader: inout ByteReader) throws(FrameError) -> Bool {
        try reader.takeZero(UInt8.self)
        return false
    }

    private static func noPhase(_ reader: inout ByteReader) throws(FrameError) -> ChangePhase {
        try reader.takeZero(UInt8.self)
        return .settled
    }
}
