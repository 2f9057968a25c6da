#if Fuzzing
    import FuzzBodies
    import Glibc
    import TestSupport
#endif

/// libFuzzer on one body: `Fuzz BODY [ARGUMENT...]`, with libFuzzer's own arguments.
/// `Fuzz BODY --seeds FOLDER COUNT` writes inputs to begin with.
@main
enum Fuzz {
    static func main() {
        #if Fuzzing
            run()
        #else
            print("Fuzz: built without the trait Fuzzing; run scripts/fuzz")
        #endif
    }
}

#if Fuzzing
    /// libFuzzer's own: calls `body` with one input after the other, and does not return until it is done.
    @_silgen_name("LLVMFuzzerRunDriver")
    private func runDriver(
        _ count: UnsafeMutablePointer<CInt>,
        _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
        _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
    ) -> CInt

    /// libFuzzer's own: changes an input in place, knowing nothing of it. Returns how long it is then.
    @_silgen_name("LLVMFuzzerMutate")
    private func mutateBytes(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ most: Int) -> Int

    /// Set once, before the first input.
    nonisolated(unsafe) private var chosen = FuzzBody.all[0]

    extension Fuzz {
        private static let bodyVariable = "SOJOURN_FUZZ_BODY"

        private static func fail(_ problem: String) -> Never {
            let text = "Fuzz: \(problem)\n"
            write(STDERR_FILENO, text, text.utf8.count)
            exit(2)
        }

        fileprivate static func run() {
            let names = FuzzBody.all.map(\.name).joined(separator: ", ")
            // libFuzzer starts this program again, without a body's name: children know it from here.
            var rest = CommandLine.arguments.dropFirst()
            if let name = rest.first, FuzzBody.named(name) != nil {
                setenv(bodyVariable, name, 1)
                rest = rest.dropFirst()
            }
            let name = getenv(bodyVariable).map { String(cString: $0) } ?? ""
            guard let body = FuzzBody.named(name) else { fail("expected a body: \(names)") }
            chosen = body
            if rest.first == "--seeds" { return writeSeeds(rest.dropFirst()) }
            let bound = "-max_len=\(body.byteCountMax)"
            let all = [CommandLine.arguments[0]] + (rest.contains(bound) ? [] : [bound]) + rest
            let pointers = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(
                capacity: all.count + 1)
            for (place, argument) in all.enumerated() { pointers[place] = strdup(argument) }
            pointers[all.count] = nil
            var count = CInt(all.count)
            var arguments = pointers
            exit(
                runDriver(&count, &arguments) { bytes, count in
                    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
                    if let problem = chosen.check(input) {
                        fatalError("\(chosen.name): \(problem)")
                    }
                    return 0
                })
        }

        private static func writeSeeds(_ arguments: ArraySlice<String>) {
            guard arguments.count == 2, let folder = arguments.first,
                let count = arguments.last.flatMap({ UInt64($0) })
            else { fail("expected --seeds FOLDER COUNT") }
            for number in 0..<count {
                var generator = SeededGenerator(seed: number)
                let input = chosen.random(&generator).prefix(chosen.byteCountMax)
                guard let file = fopen("\(folder)/seed-\(number)", "w") else {
                    fail("cannot write to \(folder)")
                }
                fwrite(Array(input), 1, input.count, file)
                fclose(file)
            }
        }
    }

    /// Called by libFuzzer for each input: every other one is changed by the body's own rules.
    @_cdecl("LLVMFuzzerCustomMutator")
    public func mutate(
        _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ most: Int, _ seed: CUnsignedInt
    ) -> Int {
        guard let change = chosen.mutate, seed & 1 == 0 else {
            return mutateBytes(bytes, count, most)
        }
        var generator = SeededGenerator(seed: UInt64(seed))
        let changed = change(Array(UnsafeBufferPointer(start: bytes, count: count)), &generator)
        let length = min(changed.count, most)
        for place in 0..<length { bytes[place] = changed[place] }
        return length
    }
#endif
