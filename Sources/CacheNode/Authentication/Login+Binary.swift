import MemcacheProtocol

/// SASL, of which there is one mechanism: PLAIN (RFC 4616).
extension Login {
    private static let mechanism: StaticString = "PLAIN"
    private static let mechanismByteCountMax = 32

    /// What comes of the packet at the input's start, while the peer is not logged in.
    func nextPacket(
        _ input: inout InputBuffer, _ output: inout OutputBuffer, _ executor: borrowing Executor
    ) -> Connection.Step {
        let bytes = input.bytes
        switch BinaryFraming.of(bytes.span) {
        case .incomplete: return .ends(.needsInput)
        case .foreign: return .foreign(executor)
        case .failure(let failure):
            switch failure.recovery {
            case .swallow: return refuse(failure.reply, &output)
            case .close:
                output.append(failure.reply)
                return .leads(.closed(.error))
            }
        case .request(let request):
            switch request.command {
            case .authenticate: return take(request, &input, &output, executor)
            case .listMechanisms, .version:
                guard input.count >= request.headByteCount else { return .ends(.needsInput) }
                if case .version = request.command {
                    _ = output.append(.version, to: request)
                } else {
                    output.appendMechanisms(to: request, executor)
                }
                input.use(request.headByteCount)
                return .over
            default: return refuse(BinaryReply(to: request), &output)
            }
        }
    }

    /// Says so and hangs up, as memcached does.
    private func refuse(_ reply: BinaryReply, _ output: inout OutputBuffer) -> Connection.Step {
        var reply = reply
        reply.status = .notAllowed
        output.append(reply)
        return .leads(.closed(.error))
    }

    /// A mechanism's first or next message.
    func take(
        _ request: BinaryRequest, _ input: inout InputBuffer, _ output: inout OutputBuffer,
        _ executor: borrowing Executor
    ) -> Connection.Step {
        let byteCount = request.headByteCount + request.valueByteCount
        guard request.valueByteCount <= Self.tokenByteCountMax + 2,
            request.header.keyByteCount <= Self.mechanismByteCountMax
        else {
            executor.noteLogin(isRight: false)
            return .swallows(
                byteCount: byteCount, then: .packet(BinaryReply(to: request, .notAllowed)))
        }
        guard input.count >= byteCount else { return .ends(.needsInput) }
        let bytes = input.bytes
        let packet = bytes.span
        defer { input.use(byteCount) }
        let mechanism = packet.extracting(request.key)
        let isPlain =
            mechanism.count == Self.mechanism.utf8CodeUnitCount
            && mechanism.starts(with: Self.mechanism)
        let goesOn = request.header.opcode == BinaryCommand.nextStepOpcode
        guard isPlain, !goesOn || hasBegunPlain else {
            executor.noteLogin(isRight: false)
            output.append(BinaryReply(to: request, .notAllowed))
            return .over
        }
        let message = packet.extracting(request.headByteCount..<byteCount)
        guard !message.isEmpty || goesOn else {
            hasBegunPlain = true
            output.append(BinaryReply(to: request, .authenticationGoesOn))
            return .over
        }
        hasBegunPlain = false
        guard let (user, password) = Self.credentials(in: message) else {
            executor.noteLogin(isRight: false)
            output.append(BinaryReply(to: request, .notAllowed))
            return .over
        }
        return attempt(
            user: message.extracting(user), password: message.extracting(password),
            answering: .binary(request), &output, executor)
    }

    /// The user and the password in `[acts for] NUL user NUL password`. Nobody acts for another one.
    private static func credentials(
        in message: Span<UInt8>
    ) -> (user: Range<Int>, password: Range<Int>)? {
        var ends: [Int] = []
        for place in 0..<message.count where message[place] == 0 { ends.append(place) }
        guard ends.count == 2 else { return nil }
        let user = (ends[0] + 1)..<ends[1]
        let actsFor = message.extracting(first: ends[0]).bytes()
        guard actsFor.isEmpty || actsFor == message.extracting(user).bytes() else { return nil }
        return (user, (ends[1] + 1)..<message.count)
    }
}

extension OutputBuffer {
    /// Which there are; without users, none.
    mutating func appendMechanisms(to request: BinaryRequest, _ executor: borrowing Executor) {
        guard executor.space.authentication?.hasPasswords == true else {
            return append(.unknownCommand, to: request)
        }
        append(text: "PLAIN", to: request)
    }

    mutating func appendAuthenticated(to request: BinaryRequest) {
        append(text: "Authenticated", to: request)
    }

    private mutating func append(text: StaticString, to request: BinaryRequest) {
        let reply = BinaryReply(to: request, valueByteCount: text.utf8CodeUnitCount)
        append(atMost: BinaryHeader.byteCount + reply.valueByteCount) { writer in
            reply.encode(to: &writer)
            writer.write(text)
        }
    }
}
