#if DEBUG || Fuzzing
    import Cluster
    import TestSupport

    /// Takes any bytes as what peers send to a member, and what else happens to it: frames are read the same however
    /// they are cut, have one form, and do no harm. Returns what is wrong.
    ///
    /// Two bytes choose the member and how its links are cut, then records follow.
    func checkFrames(_ bytes: [UInt8]) -> String? {
        do {
            var run = try FramesRun(bytes)
            try run.run()
            return nil
        } catch {
            return "\(error)"
        }
    }

    struct FramesRun {
        private let choice: UInt8
        private let place: UInt8
        private let records: [FrameRecord]
        let member: FuzzMember
        private var links: [FuzzLink]
        private var speaker = 0

        static let frontChoice: UInt8 = 4

        init(_ input: [UInt8]) throws {
            choice = input.first ?? 0
            place = input.dropFirst().first ?? 0
            records = FrameRecord.all(in: Array(input.dropFirst(2)))
            let isFront = choice & Self.frontChoice != 0
            member = try FuzzMember(
                isFront: isFront, knowsOthersAway: choice & 8 != 0, hasEvicted: choice & 16 != 0,
                mayHoldLater: choice & 32 != 0)
            links = [FuzzLink(peer: 0), FuzzLink(peer: 2)]
            if isFront {
                links.append(FuzzLink(peer: 1))
            } else {
                // Nobody dials a front.
                links += [
                    FuzzLink(peer: MemberSet.memberCountMax + 1_001, isFronts: true),
                    FuzzLink(peer: 0, carriesFrames: false),
                    FuzzLink(peer: 2, carriesFrames: false),
                ]
            }
        }

        mutating func run() throws {
            for link in links { try member.open(link) }
            for record in records { try take(record) }
            for number in links.indices { try close(number) }
            try member.finish()
        }

        private mutating func take(_ record: FrameRecord) throws {
            switch FrameEvent(rawValue: record.type) {
            case nil: try say(record.bytes)
            case .speak: speaker = record.hops % links.count
            case .wait:
                try member.wait(microseconds: record.sequence & 0xFF_FFFF, seconds: record.hops)
            case .ask: try member.ask(record.body)
            case .flush: try member.flush(afterSeconds: record.sequence)
            case .link: try renew(isNoticed: record.hops & 1 == 0)
            case .survey: try member.survey()
            case .digests: try say(digests(record))
            case .note: try member.note(record.body)
            }
        }

        /// Bytes come by the link that speaks.
        private mutating func say(_ bytes: [UInt8]) throws {
            guard links[speaker].isOpen else { return }
            for message in try links[speaker].reading.take(bytes) {
                guard try member.take(message, by: &links[speaker]) else {
                    return try close(speaker)
                }
            }
            if links[speaker].reading.error != nil { try close(speaker) }
        }

        private mutating func close(_ number: Int) throws {
            guard links[number].isOpen else { return }
            links[number].isOpen = false
            try links[number].reading.checkCut(cuts)
            try member.close(links[number])
        }

        /// - Parameter isNoticed: or the new link takes the place of one that was taken for alive.
        private mutating func renew(isNoticed: Bool) throws {
            if isNoticed {
                try close(speaker)
            } else {
                try links[speaker].reading.checkCut(cuts)
            }
            links[speaker] = links[speaker].next
            try member.open(links[speaker])
        }

        private var cuts: Cuts {
            switch choice & 3 {
            case 0: .pieces(byteCount: 1)
            case 1: .random(seed: UInt64(place))
            case 2: .once(at: Int(place) * 16)
            default: .pieces(byteCount: Int(place) + 2)
            }
        }

        private func digests(_ record: FrameRecord) -> [UInt8] {
            var digests = [UInt64](repeating: 0, count: Survey.rangeCount + record.hops)
            var rest = record.body[...]
            while rest.count >= 10 {
                let range = Int(rest[rest.startIndex]) | Int(rest[rest.startIndex + 1]) << 8
                digests[range & 4_095] = rest.dropFirst(2).prefix(8).reversed()
                    .reduce(0) { $0 << 8 | UInt64($1) }
                rest = rest.dropFirst(10)
            }
            var bytes: [UInt8] = []
            let round = UInt32(truncatingIfNeeded: record.number(12, 4))
            PeerFrame.digests(round: round, digests).append(to: &bytes, in: .newest)
            return bytes
        }
    }
#endif
