// Clock at up to 216 MHz: HSE, PLL, over-drive, flash wait states (RM0385
// sections 3.3.2, 4.1.4, 5.2).
#include "clock.hpp"

#include "board_config.hpp"
#include "registers.hpp"

namespace board {
namespace {

using namespace stm32f7;

constexpr uint32_t kHsiHz = 16'000'000;
// Polls before a wait gives up: about 100 ms at 16 MHz, and the oscillator starts within 2 ms.
constexpr uint32_t kPollLimit = 200'000;

bool wait_until(const Register& reg, uint32_t mask, uint32_t expected) {
    for (uint32_t poll = 0; poll < kPollLimit; ++poll) {
        if ((reg & mask) == expected) {
            return true;
        }
    }
    return false;
}

// Field of an AHB divider (1, 2, 4, 8, 16) in CFGR.
constexpr uint32_t ahb_field(uint32_t divider) {
    uint32_t field = 0;
    for (uint32_t d = divider; d > 1; d /= 2) {
        field = field == 0 ? 8 : field + 1;
    }
    return field;
}

// Field of an APB divider (1, 2, 4, 8, 16) in CFGR.
constexpr uint32_t apb_field(uint32_t divider) {
    uint32_t field = 0;
    for (uint32_t d = divider; d > 1; d /= 2) {
        field = field == 0 ? 4 : field + 1;
    }
    return field;
}
static_assert(ahb_field(1) == 0 && ahb_field(2) == 8 && apb_field(2) == 4 && apb_field(4) == 5);

constexpr uint32_t kDividerFields = (ahb_field(config::kAhbDivider) << 4) |
                                    (apb_field(config::kApb1Divider) << 10) |
                                    (apb_field(config::kApb2Divider) << 13);
constexpr uint32_t kDividerMask = (0xFU << 4) | (7U << 10) | (7U << 13);
constexpr uint32_t kPllFields = config::kPllM | (config::kPllN << 6) |
                                ((config::kPllP / 2 - 1) << 16) | (config::kPllQ << 24) |
                                Rcc::kPllSourceHse;

bool start_hse() {
    set_bits(rcc().cr, config::kHseBypass ? Rcc::kHseOn | Rcc::kHseBypass : Rcc::kHseOn);
    return wait_until(rcc().cr, Rcc::kHseReady, Rcc::kHseReady);
}

bool enable_over_drive() {
    set_bits(pwr().cr1, Pwr::kOverDrive);
    if (!wait_until(pwr().csr1, Pwr::kOverDrive, Pwr::kOverDrive)) {
        return false;
    }
    set_bits(pwr().cr1, Pwr::kOverDriveSwitch);
    return wait_until(pwr().csr1, Pwr::kOverDriveSwitch, Pwr::kOverDriveSwitch);
}

bool set_wait_states(uint32_t wait_states) {
    clear_bits(flash().acr, Flash::kAccelerator);
    set_bits(flash().acr, Flash::kAcceleratorReset);
    clear_bits(flash().acr, Flash::kAcceleratorReset);
    flash().acr = wait_states | Flash::kPrefetch | Flash::kAccelerator;
    return wait_until(flash().acr, Flash::kLatencyMask, wait_states);
}

bool switch_to(uint32_t source) {
    replace_bits(rcc().cfgr, Rcc::kSwitchMask, source);
    return wait_until(rcc().cfgr, Rcc::kSwitchMask << Rcc::kSwitchStatusShift,
                      source << Rcc::kSwitchStatusShift);
}

ClockStatus run_from_pll() {
    if (!start_hse()) {
        return ClockStatus::kHseDidNotStart;
    }
    replace_bits(pwr().cr1, Pwr::kScaleMask, Pwr::kScale1);
    rcc().pllcfgr = kPllFields;
    set_bits(rcc().cr, Rcc::kPllOn);
    // Over-drive is entered after the PLL is on and before the core runs from it (section 4.1.4).
    if (config::kOverDrive && !enable_over_drive()) {
        return ClockStatus::kOverDriveFailed;
    }
    if (!wait_until(rcc().cr, Rcc::kPllReady, Rcc::kPllReady)) {
        return ClockStatus::kPllDidNotLock;
    }
    if (!set_wait_states(config::kFlashWaitStates)) {
        return ClockStatus::kFlashWaitStatesRefused;
    }
    replace_bits(rcc().cfgr, kDividerMask, kDividerFields);
    return switch_to(Rcc::kSwitchPll) ? ClockStatus::kOk : ClockStatus::kSwitchFailed;
}

void run_from_hsi() {
    // The core came out of reset on HSI; these waits cannot be helped any further if they fail.
    set_bits(rcc().cr, Rcc::kHsiOn);
    wait_until(rcc().cr, Rcc::kHsiReady, Rcc::kHsiReady);
    switch_to(Rcc::kSwitchHsi);
    replace_bits(rcc().cfgr, kDividerMask, 0);
    clear_bits(rcc().cr, Rcc::kPllOn | Rcc::kHseOn);
    clear_bits(pwr().cr1, Pwr::kOverDrive | Pwr::kOverDriveSwitch);
}

}  // namespace

ClockTree start_clock() {
    set_bits(rcc().apb1enr, Rcc::kPowerInterface);
    const ClockStatus status = run_from_pll();
    if (status == ClockStatus::kOk) {
        constexpr uint32_t kCoreHz = config::kSysclkHz / config::kAhbDivider;
        return {status, kCoreHz, kCoreHz / config::kApb1Divider, kCoreHz / config::kApb2Divider};
    }
    run_from_hsi();
    return {status, kHsiHz, kHsiHz, kHsiHz};
}

const char* describe(ClockStatus status) {
    switch (status) {
        case ClockStatus::kOk:
            return "ok";
        case ClockStatus::kHseDidNotStart:
            return "external oscillator did not start";
        case ClockStatus::kPllDidNotLock:
            return "PLL did not lock";
        case ClockStatus::kOverDriveFailed:
            return "over-drive did not become ready";
        case ClockStatus::kFlashWaitStatesRefused:
            return "flash did not take its wait states";
        case ClockStatus::kSwitchFailed:
            return "core did not switch to the PLL";
    }
    return "unknown";
}

}  // namespace board
