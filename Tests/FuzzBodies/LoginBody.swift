#if DEBUG || Fuzzing
    import EventLoop
    import MemcacheProtocol
    import TestSupport

    @testable import CacheNode
    @testable import NodeStage

    /// What a peer that has to log in has got out of a node.
    private struct LoginAnswers: Equatable {
        var replies: [UInt8] = []
        var hasEnded = false
        var isLoggedIn = false
    }

    private let user = "app"
    private let password = "secret"

    /// A conversation with a node that knows one user. Refusals are told at once. Throws when a promise is
    /// broken.
    private func converseUnknown(_ input: [UInt8], cuts: Cuts) throws -> LoginAnswers {
        var rules = AuthenticationRules()
        rules.passwordFile = "FILE"
        let passwords = try Passwords(bytes("\(user):\(password)\n").span, name: "FILE")
        let node = try InProcessNode(authentication: NodeAuthentication(rules, passwords))
        let peer = node.open(cuts: cuts)
        try peer.send(input)
        try peer.receiveAll()
        while let waiting = peer.connection.state.waiting {
            node.space.authentication?.throttle.noteSuccess(.init(.unknown))
            try peer.resume(waiting.ticket, .overdue)
            try peer.receiveAll()
        }
        let isLoggedIn = peer.connection.login == nil
        if !isLoggedIn {
            guard peer.connection.input.capacity == Login.inputByteCount else {
                throw BrokenPromise("\(peer.connection.input.capacity) bytes for a stranger")
            }
            for counter in [Counter.getCommands, .setCommands, .metaCommands, .flushCommands]
            where node.count(counter) > 0 {
                throw BrokenPromise("a command of a stranger: \(counter)")
            }
        }
        guard node.pool.lentCount <= 1 else {
            throw BrokenPromise("\(node.pool.lentCount) buffers")
        }
        return LoginAnswers(
            replies: peer.received, hasEnded: peer.hasEnded, isLoggedIn: isLoggedIn)
    }

    private func contains(_ input: [UInt8], _ part: String) -> Bool {
        let part = Array(part.utf8)
        return input.indices.contains { input[$0...].starts(with: part) }
    }

    /// Whether pages of statistics may be asked for, which show what time it is and how often was read.
    private func asksForStatistics(_ input: [UInt8]) -> Bool {
        contains(input, "stats") || contains(input, "\u{10}") && input.contains(0x80)
    }

    /// Takes any bytes of a peer that nobody knows: it does nothing before it has sent the password, and is
    /// answered the same however its bytes are cut. Returns what is wrong.
    func checkLogin(_ input: [UInt8]) -> String? {
        do {
            var whole = try converseUnknown(input, cuts: .whole)
            let hidesReplies = whole.isLoggedIn && asksForStatistics(input)
            if hidesReplies { whole.replies = [] }
            let hasPassword =
                contains(input, "\(user) \(password)") || contains(input, "\(user)\u{0}\(password)")
            if whole.isLoggedIn, !hasPassword { return "logged in without the password" }
            for cuts in [Cuts.pieces(byteCount: 1), .pieces(byteCount: 7)] {
                var parts = try converseUnknown(input, cuts: cuts)
                if hidesReplies { parts.replies = [] }
                guard parts == whole else {
                    return "\(cuts): \(printable(parts.replies))\n"
                        + "      whole: \(printable(whole.replies))"
                }
            }
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// A peer that tries this and that, in text or in packets.
    func randomLogin(using generator: inout SeededGenerator) -> [UInt8] {
        let isBinary = Bool.random(using: &generator)
        var input: [UInt8] = []
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
            let isRight = Int.random(in: 0..<3, using: &generator) == 0
            if isBinary {
                let message = "\u{0}\(user)\u{0}" + (isRight ? password : "guess")
                let opcode: UInt8 = [0x20, 0x21, 0x21, 0x22, 0x0b, 0x00, 0x01, 0x0a]
                    .randomElement(using: &generator)!
                let takesMessage = opcode == 0x21 || opcode == 0x22
                input +=
                    BinaryPacket(
                        opcode, key: takesMessage ? "PLAIN" : opcode < 2 ? "k" : "",
                        extras: opcode == 1 ? [UInt8](repeating: 0, count: 8) : [],
                        value: takesMessage ? bytes(message) : []
                    ).bytes
            } else if Bool.random(using: &generator) {
                let token = "\(user) " + (isRight ? password : "guess")
                let count =
                    token.utf8.count + (Int.random(in: 0..<8, using: &generator) == 0 ? 1 : 0)
                input += bytes("set auth 0 0 \(count)\r\n\(token)\r\n")
            } else {
                input += randomCommand(using: &generator)
            }
        }
        return Array(input.prefix(1_500))
    }
#endif
