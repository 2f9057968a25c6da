import Glibc
import TestSupport
import Testing

/// The operator's port of real processes.
@Suite(.timeLimit(.minutes(10)))
struct AdminTests {
    private func check(_ script: String, _ arguments: String...) throws {
        try Script.run(
            try Script.python(), script,
            arguments: [try RunningNode.sojourndPath()] + arguments)
    }

    @Test(
        "Metrics, probes and documents are answered; garbage, crowds and slow peers cost clients nothing"
    )
    func answers() throws { try check("admin_checks.py", "answers") }

    @Test(
        "Addresses, passwords, forms, TLS, a supervisor, a sandbox and a file: who gets in, and who does not"
    )
    func access() throws { try check("admin_checks.py", "access") }

    @Test("Members ask each other, and tell who does not answer")
    func cluster() throws { try check("admin_checks.py", "cluster") }

    @Test("The page lives in a browser: it warns, lets in, keeps out, and ends sessions")
    func page() throws { try check("admin_page_checks.py") }
}
