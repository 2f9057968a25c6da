/// All that goes over a link between members, once they have greeted each other.
package enum PeerMessage: Equatable, Sendable {
    case frame(PeerFrame)
    case statement(Statement)

    /// What it takes on the link, its header included.
    package var byteCount: Int {
        switch self {
        case .frame(let frame): frame.byteCount
        case .statement(let statement): statement.byteCount
        }
    }

    package func append(to bytes: inout [UInt8]) {
        switch self {
        case .frame(let frame): frame.append(to: &bytes)
        case .statement(let statement): statement.append(to: &bytes)
        }
    }
}

/// The body of a statement:
///
///     process (8) · time (8) · echo (8) · waits since (8) · hears (8) · clock (8)
///     standing · is ready · phase · 0 · clock's lead (4) · flushed (12) · agreed (8)
///     generation (8) · next (8)
extension Statement {
    private static let bodyByteCount = 92

    /// What it takes on the link, its header included.
    package var byteCount: Int { FrameHeader.byteCount + Self.bodyByteCount }

    package func append(to bytes: inout [UInt8]) {
        bytes.append(byteCount: byteCount) { writer in
            FrameHeader(.statement, bodyByteCount: Self.bodyByteCount).encode(to: &writer)
            writer.put(process)
            writer.put(time)
            writer.put(echo)
            writer.put(waitsSince)
            writer.put(hears.bits)
            writer.put(clock)
            writer.put(standing.rawValue)
            writer.put(isReady ? 1 as UInt8 : 0)
            writer.put(phase.rawValue)
            writer.put(0 as UInt8)
            writer.put(clockLeadMilliseconds)
            flushed.encode(to: &writer)
            writer.put(agreed)
            writer.put(generation)
            writer.put(next)
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
        let phase: ChangePhase = try reader.takeCase("phase")
        try reader.takeZero(UInt8.self)
        let lead = try reader.take(UInt32.self)
        let flushed = try Stamp(decoding: &reader)
        let agreed = try reader.takeMoment("agreement")
        self.init(
            process: process, time: time, echo: echo, standing: standing, isReady: isReady,
            waitsSince: waitsSince, hears: hears, clock: clock, clockLeadMilliseconds: lead,
            flushed: flushed, agreed: agreed)
        self.phase = phase
        generation = try reader.take()
        next = try reader.take()
        guard next >= generation else {
            throw reader.bad("next generation", next, expected: "at least \(generation)")
        }
    }
}
