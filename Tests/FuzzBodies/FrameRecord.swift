#if DEBUG || Fuzzing
    import TestSupport

    /// A frame as a peer sends it, right or wrong: a header, and what it announces, as far as that is there.
    /// What else happens to a member (`FrameEvent`) has the same shape.
    struct FrameRecord {
        var header: [UInt8]
        var body: [UInt8]

        static let headerByteCount = 16

        var bytes: [UInt8] { header + body }

        /// Takes an input apart.
        static func all(in input: [UInt8]) -> [FrameRecord] {
            var records: [FrameRecord] = []
            var rest = input[...]
            while !rest.isEmpty {
                var record = FrameRecord(header: Array(rest.prefix(headerByteCount)), body: [])
                rest = rest.dropFirst(headerByteCount)
                record.body = Array(rest.prefix(record.announcedByteCount))
                rest = rest.dropFirst(record.announcedByteCount)
                records.append(record)
            }
            return records
        }

        var isWhole: Bool { header.count == Self.headerByteCount }

        private var announcedByteCount: Int { Int(number(0, 4)) }

        /// A number of the header; 0 of a part of one.
        func number(_ place: Int, _ byteCount: Int) -> UInt64 {
            guard isWhole else { return 0 }
            return header[place..<place + byteCount].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }

        var type: UInt8 { UInt8(number(4, 1)) }
        var hops: Int { Int(number(6, 1)) }
        var sequence: Int { Int(number(8, 4)) }

        /// Announces as many bytes as the body has, or some that it has not.
        mutating func announce(wrongBy excess: Int = 0) {
            guard isWhole else { return }
            let byteCount = UInt32(truncatingIfNeeded: body.count + excess)
            header.replaceSubrange(0..<4, with: littleEndian(byteCount))
        }
    }

    /// What happens to a member beside what peers send, as records of types that no member sends.
    enum FrameEvent: UInt8, CaseIterable {
        /// From now on the link with the number `hops` speaks.
        case speak = 0xE0
        /// `sequence` microseconds go by, and on the node's own clock `hops` seconds.
        case wait
        /// A client sends a command: the body.
        case ask
        /// A client lets everything go, `sequence` seconds later.
        case flush
        /// The speaking link breaks, unnoticed where `hops` is odd, and there is another one.
        case link
        /// What was to be surveyed is there.
        case survey
        /// The speaking link's peer sends a digest of every range: that of no key, but for the ranges in the body,
        /// each followed by its digest. And of `hops` ranges more.
        case digests
        /// A read has proven an item, or lets it live longer, whose key is the body.
        case note

        func record(hops: UInt8 = 0, sequence: UInt32 = 0, body: [UInt8] = []) -> FrameRecord {
            var record = FrameRecord(
                header: [0, 0, 0, 0, rawValue, 0, hops, 0] + littleEndian(sequence)
                    + [0, 0, 0, 0],
                body: body)
            record.announce()
            return record
        }
    }

    /// A number's bytes, the lowest first.
    func littleEndian(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
#endif
