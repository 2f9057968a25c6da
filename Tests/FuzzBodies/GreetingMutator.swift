#if DEBUG || Fuzzing
    import Cluster
    import TestSupport

    /// Somebody who is welcome, but for some mistakes.
    func randomGreeting(using generator: inout SeededGenerator) -> [UInt8] {
        let isRight = Int.random(in: 0..<3, using: &generator) > 0
        let prefix: [UInt8] = [
            .random(in: 0...15, using: &generator), .random(in: .min ... .max, using: &generator),
            isRight ? 1 : .random(in: 0...5, using: &generator),
        ]
        var input = prefix + GreetingInput(prefix).wanted
        input += [UInt8](repeating: 0, count: GreetingProof.byteCount)
        if Bool.random(using: &generator) { input += randomBytes(atMost: 40, using: &generator) }
        return Bool.random(using: &generator)
            ? input : mutateGreeting(of: input, using: &generator)
    }

    /// Changes a field of a greeting, the proof, the bytes before or behind them, or how many there are.
    func mutateGreeting(of input: [UInt8], using generator: inout SeededGenerator) -> [UInt8] {
        var input = input
        guard input.count > GreetingInput.prefixByteCount else {
            return randomGreeting(using: &generator)
        }
        let start = GreetingInput.prefixByteCount + (input[0] & 1 == 0 ? 0 : 1)
        // Where fields begin: magic, version, purpose, role, from, to, numbers, nonce, proof, and what follows.
        let fields = [0, 4, 6, 7, 8, 9, 10, 18, 26, 34, 42, 74, 106].map { $0 + start }
        switch Int.random(in: 0..<8, using: &generator) {
        case 0:
            let place = Int.random(in: 0..<start, using: &generator)
            input[place] = UInt8.random(in: 0...16, using: &generator)
        case 1:
            let wanted = GreetingInput(input).wanted
            let field = Int.random(in: 0..<wanted.count, using: &generator)
            let place = GreetingInput.prefixByteCount + field
            if place < input.count { input[place] = wanted[field] }
        case 2: input += randomBytes(atMost: 40, using: &generator)
        case 3:
            let end = (fields.randomElement(using: &generator) ?? 0)
            input.removeLast(max(0, input.count - end + Int.random(in: -1...1, using: &generator)))
        case 4:
            input.removeLast(max(0, input.count - fields[11]))
            input += [UInt8](repeating: 0, count: GreetingProof.byteCount)
        default:
            let place = Int.random(in: 0..<fields.count - 1, using: &generator)
            let byte = Int.random(in: fields[place]..<fields[place + 1], using: &generator)
            guard byte < input.count else { break }
            input[byte] =
                [
                    0, 1, 2, 3, 4, 63, 64, 255, input[byte] ^ 1, input[byte] ^ 128,
                ].randomElement(using: &generator) ?? 0
        }
        return input
    }
#endif
