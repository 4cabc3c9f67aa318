// Clock of the F4 and F7: HSE, PLL, over-drive, flash wait states (RM0385 sections 3.3.2, 4.1.4 and
// 5.2; RM0390 sections 3.4.1, 5.1.4 and 6.2).
#include "clock.hpp"

#include "clock_steps.hpp"
#include "family.hpp"

namespace board {
namespace {

using namespace stm32;

constexpr uint32_t kHsiHz = 16'000'000;

constexpr uint32_t kDividerFields = (ahb_field(config::kAhbDivider) << 4) |
                                    (apb_field(config::kApb1Divider) << 10) |
                                    (apb_field(config::kApb2Divider) << 13);
constexpr uint32_t kDividerMask = (0xFU << 4) | (7U << 10) | (7U << 13);
constexpr uint32_t kPllFields = config::kPllM | (config::kPllN << 6) |
                                ((config::kPllDivider / 2 - 1) << 16) | (config::kPllQ << 24) |
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
        return ClockStatus::kSourceDidNotStart;
    }
    set_bits(pwr().cr1, Pwr::kScale1);
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
        return {status, kAhbHz, kApb1Hz, kApb2Hz};
    }
    run_from_hsi();
    return {status, kHsiHz, kHsiHz, kHsiHz};
}

}  // namespace board
