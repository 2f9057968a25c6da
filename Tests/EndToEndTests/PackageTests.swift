import Glibc
import TestSupport
import Testing

/// `scripts/package` in its quick form: of the programs that were built with the tests, which are linked once more.
@Suite(.timeLimit(.minutes(10)))
struct PackageTests {
    private static let root =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    /// chroot, and mounts of its own.
    private static let isPossible: Bool = {
        let tried = try? Program.run(
            "/usr/bin/unshare",
            ["--mount", "--net", "--pid", "--fork", "/bin/sh", "-c", "mount -t tmpfs none /mnt"])
        return getuid() == 0 && tried?.exit == .status(0)
    }()

    @Test(
        "Packages are installed, upgraded with sessions in the memory file, removed and purged",
        .enabled(if: isPossible, "takes a root who may mount and chroot"))
    func wholeLife() throws {
        let directory = try TemporaryDirectory()
        let result = try Program.run(
            "/usr/bin/env",
            ["python3", Self.root + "/scripts/package", "--quick", "--test"]
                + ["--out", directory.path], environment: ["PYTHONDONTWRITEBYTECODE": "1"],
            seconds: 540)
        #expect(result.exit == .status(0), "\(result.errors)\(result.output)")
        // lintian and systemd-analyze are silent about what is right, and fail the script for what is not.
        for step in ["installed, started in ", "upgraded, started in ", "removed, and", "purged"] {
            #expect(("\n" + result.output).contains("\n" + step), "\(result.output)")
        }
        let names = directory.names.map {
            $0.split(separator: "_").prefix(2).joined(separator: " ")
        }
        let said = try Program.run(try RunningNode.sojourndPath(), ["--version"]).output
        let version = try #require(said.split(separator: " ").dropFirst().first)
        #expect(names.sorted() == ["sojourn-node \(version)", "sojourn-tools \(version)"])
    }

    @Test("A version that is not the programs' own is refused, and says what is expected")
    func version() throws {
        let result = try Program.run(
            "/usr/bin/env",
            ["python3", Self.root + "/scripts/package", "--quick", "--version", "9.9.9"],
            environment: ["PYTHONDONTWRITEBYTECODE": "1"], seconds: 300)
        #expect(result.exit == .status(64))
        #expect(
            result.errors.contains("the programs say 0.1.0: expected that, or 0.1.0+WORD"),
            "\(result.errors)")
    }
}
